#!/usr/bin/env python3
"""Starts the five backends of the sample on free ports of 127.0.0.1, and ends them.

    backends.py --ports-file FILE    start; FILE appears, whole, once all are ready: {"HOST": "http://127.0.0.1:PORT"}
    backends.py --print-maps FILE    print that file as arguments: --map HOST=http://127.0.0.1:PORT ...

DynamoDB is moto, Stripe is localstripe, the others are the fakes in this folder. All begin empty, and forget everything when
they end: at SIGTERM or SIGINT, when one of them fails (exit 1), and when the process that started this one is gone.
"""

import argparse
import concurrent.futures
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

# This folder contains google.py and plaid.py: it leaves the path before moto imports packages of
# those names.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from web import end_with_stdin, serve  # noqa: E402  (it is found by the path set above)

START_SECONDS = 60
STOP_SECONDS = 3


def run_dynamodb():
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _ready(server.get_host_and_port()[1])
    threading.Event().wait()


def run_stripe():
    from aiohttp import web
    from localstripe import resources, server

    # Otherwise it stores a copy of everything in one file of /tmp, which all instances on this machine
    # share.
    resources.Store.dump_to_disk = lambda self: None
    listener = socket.create_server(("127.0.0.1", 0))
    _ready(listener.getsockname()[1])
    web.run_app(server.app, sock=listener, access_log=None, print=None, shutdown_timeout=0.5)


def run_fake(name: str):
    import importlib

    lock = threading.Lock()
    fake = importlib.import_module(f"backends.{name}")

    def answer(request):
        with lock:
            return fake.answer(request)

    server = serve(answer)
    _ready(server.server_port)
    server.serve_forever()


BACKENDS = {
    "dynamodb.us-east-1.amazonaws.com": run_dynamodb,
    "api.stripe.com": run_stripe,
    "api.hubapi.com": lambda: run_fake("hubspot"),
    "sandbox.plaid.com": lambda: run_fake("plaid"),
    "discovery.googleapis.com": lambda: run_fake("google"),
}


def _ready(port: int):
    print(port, flush=True)


def run_child(host: str):
    """Runs one backend in this process; the first line on stdout is its port."""
    end_with_stdin()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        BACKENDS[host]()
    except ImportError as error:
        sys.exit(f"backends: '{error.name}' is not installed; run `make setup` and use .venv/bin/python")


def start(host: str) -> subprocess.Popen:
    """Its stdin is a pipe from this process, which closes however this process ends."""
    command = [sys.executable, __file__, "--child", host]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def wait_for_port(host: str, child: subprocess.Popen) -> int:
    line = child.stdout.readline().strip()
    if not line.isdigit():
        raise RuntimeError(f"the backend for {host} did not start")
    return int(line)


def stop(children: dict):
    for child in children.values():
        child.terminate()
    for child in children.values():
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def run_all(ports_file: Path) -> int:
    done, parent = threading.Event(), os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    ports_file.unlink(missing_ok=True)
    children = {host: start(host) for host in BACKENDS}
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = {host: pool.submit(wait_for_port, host, child) for host, child in children.items()}
            watch = threading.Timer(START_SECONDS, stop, [children])
            watch.start()
            urls = {host: f"http://127.0.0.1:{port.result()}" for host, port in waiting.items()}
            watch.cancel()
        partial = ports_file.with_name(ports_file.name + ".partial")
        partial.write_text(json.dumps(urls, indent=2) + "\n")
        partial.rename(ports_file)
        while not done.wait(0.2) and os.getppid() == parent:
            for host, child in children.items():
                if child.poll() is not None:
                    raise RuntimeError(f"the backend for {host} ended with status {child.returncode}")
    except RuntimeError as error:
        print(f"backends: {error}", file=sys.stderr)
        return 1
    finally:
        stop(children)
        ports_file.unlink(missing_ok=True)
    return 0


def print_maps(ports_file: Path) -> int:
    try:
        urls = json.loads(ports_file.read_text())
    except OSError as error:
        print(f"backends: cannot read {ports_file}: {error.strerror}; is backends.py running?", file=sys.stderr)
        return 2
    for host, url in urls.items():
        print(f"--map {host}={url}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="the backends of the payment sample")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--ports-file", type=Path, metavar="FILE", help="start them; write their addresses here")
    what.add_argument("--print-maps", type=Path, metavar="FILE", help="print the addresses as --map arguments")
    what.add_argument("--child", choices=BACKENDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return run_child(arguments.child)
    if arguments.print_maps:
        return print_maps(arguments.print_maps)
    return run_all(arguments.ports_file)


if __name__ == "__main__":
    sys.exit(main())
