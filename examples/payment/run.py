#!/usr/bin/env python3
"""Runs the payment service and drives it: 192 requests in, 285 out. Usage: run.py [--quick] [--port N [--through ADDRESS]]

With --port the service listens there, and with --through the driver calls it at that address instead, where Envoy's way in is: each request
then carries a trace context, which the service passes on.

The service calls its backends over https://, through the proxy in HTTPS_PROXY. On stdout goes a summary that is the same for the same
answers of the backends: a line for each endpoint, and a digest of all answers. Exit status: 0 all as expected, 1 some
answers were not, 2 it could not run. What went wrong goes to stderr.
"""

import argparse
import hashlib
import http.client
import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path

import scenario
from credentials import of_the_sample

HERE = Path(__file__).resolve().parent
PROBE_EVERY = 5  # the orchestrator's health probe and metrics scrape come after so many requests
PROBES = ("GET /healthz", "GET /metrics")
EXPECTED = {"full": 192, "quick": 10}


class CannotRun(Exception):
    """The service can't be started or reached."""


class Service:
    """The service as a child process; it ends when we do. `through`: the address to call instead of the service's own."""

    def __init__(self, port: int = 0, through: str | None = None):
        command = [sys.executable, str(HERE / "payment.py"), "--port", str(port), "--end-with-stdin"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=of_the_sample(os.environ)
        )
        line = self._process.stdout.readline()
        if not line.startswith("listening on "):
            self.stop()
            raise CannotRun("the service did not start")
        address = line.strip().rpartition("/")[2]
        # Directly to the service: this request isn't part of the scenario.
        self._connection, self._traced, self._asked = http.client.HTTPConnection(address, timeout=60), False, 0
        if self.ask("GET", "/healthz", None)[0] != 200:
            raise CannotRun("the service is not healthy")
        if through:
            self._connection.close()
            self._connection, self._traced = http.client.HTTPConnection(through, timeout=60), True

    def ask(self, method: str, path: str, body) -> tuple[int, bytes]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        if self._traced:
            self._asked += 1
            headers["traceparent"] = f"00-{self._asked:032x}-{self._asked:016x}-01"
        try:
            self._connection.request(method, path, data, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise CannotRun(f"{method} {path}: the service does not answer: {error}") from error

    def stop(self):
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()


class Driver:
    """Makes the scenario's calls one at a time, compares, counts."""

    def __init__(self, service: Service, probe_every: int):
        self._service = service
        self._probe_every = probe_every
        self._digest = hashlib.sha256()
        self._since_probe = 0
        self.asked, self.as_expected = Counter(), Counter()

    def call(self, method, template, json=None, query="", status=200, check=None, count=None, starts=None, **params):
        """One request. `check`: fields and their values; `count`: lists and their lengths; `starts`: the first bytes."""
        path = template.format(**params) + (f"?{query}" if query else "")
        got, body = self._service.ask(method, path, json)
        value = _parse(body)
        wrong = [f"status {got}, not {status}"] if got != status else []
        fields = [(name, value.get(name), to) for name, to in (check or {}).items()]
        fields += [(f"length of {name}", len(value.get(name, ())), to) for name, to in (count or {}).items()]
        wrong += [f"{name} is {is_!r}, not {to!r}" for name, is_, to in fields if is_ != to]
        if starts and not body.startswith(starts):
            wrong.append(f"the body starts with {body[:16]!r}, not {starts!r}")
        self._note(f"{method} {template}", f"{method} {path}", got, body, wrong)
        return value

    def _note(self, endpoint: str, request: str, status: int, body: bytes, wrong: list):
        self.asked[endpoint] += 1
        self.as_expected[endpoint] += not wrong
        self._digest.update(f"{request} {status} {len(body)}\n".encode() + body)
        if wrong:
            print(f"run: {request}: {'; '.join(wrong)}; body: {body[:300]!r}", file=sys.stderr)
        if self._probe_every and endpoint not in PROBES:
            self._since_probe += 1
            if self._since_probe == self._probe_every:
                self._since_probe = 0
                for probe in PROBES:
                    self.call(*probe.split())

    def summary(self) -> str:
        width = max(map(len, self.asked))
        lines = [f"{'endpoint':<{width}}  requests    ok"]
        lines += [f"{name:<{width}}  {self.asked[name]:8}  {self.as_expected[name]:4}" for name in sorted(self.asked)]
        lines.append(f"{'all':<{width}}  {self.asked.total():8}  {self.as_expected.total():4}")
        lines.append(f"answers sha256 {self._digest.hexdigest()}")
        return "\n".join(lines)


def _parse(body: bytes) -> dict:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def check_environment():
    if not urllib.request.getproxies().get("https"):
        raise CannotRun(
            "HTTPS_PROXY is not set: the service would call the real backends; run it under `understudy record`"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description="drive the payment sample")
    parser.add_argument("--quick", action="store_true", help="10 requests instead of 192")
    parser.add_argument("--port", type=int, default=0, help="where the service listens; 0 is a free port")
    parser.add_argument("--through", metavar="HOST:PORT", help="call the service there: `--inbound HOST:PORT=PORT` of `understudy record`")
    arguments = parser.parse_args()
    kind = "quick" if arguments.quick else "full"
    service = None
    try:
        check_environment()
        service = Service(arguments.port, arguments.through)
        driver = Driver(service, 0 if kind == "quick" else PROBE_EVERY)
        (scenario.quick if kind == "quick" else scenario.full)(driver.call)
    except CannotRun as error:
        print(f"run: {error}", file=sys.stderr)
        return 2
    finally:
        if service:
            service.stop()
    print(driver.summary())
    if driver.asked.total() != EXPECTED[kind]:
        print(f"run: {driver.asked.total()} requests were made, not {EXPECTED[kind]}", file=sys.stderr)
        return 1
    return 0 if driver.as_expected == driver.asked else 1


if __name__ == "__main__":
    sys.exit(main())
