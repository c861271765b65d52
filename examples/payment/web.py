"""A small HTTP kit on the standard library: routes, JSON, a threaded server.

The payment service and the fake backends answer with it. It never calls out, and holds no state but the route table.
"""

import http.server
import itertools
import json
import os
import re
import sys
import threading
import traceback
from dataclasses import dataclass, field
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Request:
    """One inbound request; `params` are the `{name}` parts of the matched path template."""

    method: str
    path: str
    query: dict  # the last of a repeated name
    headers: dict  # names in lower case
    body: bytes
    pairs: list = field(default_factory=list)  # the query as it came, repeated names repeated
    params: dict = field(default_factory=dict)

    def json(self):
        """The body as JSON; raises ValueError if it isn't an object or a list."""
        value = json.loads(self.body or b"null")
        if not isinstance(value, (dict, list)):
            raise ValueError("the body must be a JSON object or array")
        return value


@dataclass
class Reply:
    status: int = 200
    body: bytes | Iterator[bytes] = b""  # an iterator's pieces are sent as they come
    headers: dict = field(default_factory=dict)


class Problem(Exception):
    """Raised by a handler to end the request with this reply."""

    def __init__(self, reply: Reply):
        super().__init__(reply.status)
        self.reply = reply


def json_reply(status: int, value, headers: dict | None = None) -> Reply:
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return Reply(status, body, {"Content-Type": "application/json;charset=utf-8", **(headers or {})})


class Routes:
    """A route table. `error(status, message)` gives the reply to requests that no handler answers: 400, 404, 405, 500."""

    def __init__(self, error: Callable[[int, str], Reply]):
        self._error = error
        self._routes = []

    def on(self, method: str, template: str):
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))

        def register(handler):
            self._routes.append((method, pattern, handler))
            return handler

        return register

    def answer(self, request: Request) -> Reply:
        found = [(method, pattern.fullmatch(request.path), handler) for method, pattern, handler in self._routes]
        found = [(method, match, handler) for method, match, handler in found if match]
        if not found:
            return self._error(404, f"no such resource: {request.path}")
        for method, match, handler in found:
            if method == request.method:
                request.params = match.groupdict()
                return self._run(handler, request)
        return self._error(405, f"{request.method} is not allowed here")

    def _run(self, handler, request: Request) -> Reply:
        try:
            return handler(request)
        except Problem as problem:
            return problem.reply
        except ValueError as error:
            return self._error(400, str(error))
        except Exception as error:  # the server must outlive a failing handler; the trace goes to the log
            traceback.print_exc(file=sys.stderr)
            return self._error(500, f"{type(error).__name__}: {error}")


def serve(answer: Callable[[Request], Reply], port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server on 127.0.0.1, bound and not yet running; port 0 takes a free one (`server.server_port`)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # the head and the body leave in one write

        def handle_one_request(self):
            try:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                self._answer()
                self.wfile.flush()
            except (ConnectionError, TimeoutError):
                self.close_connection = True

        def _answer(self):
            target = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            pairs = parse_qsl(target.query, keep_blank_values=True)
            reply = answer(Request(self.command, target.path, dict(pairs), headers, body, pairs))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            whole = isinstance(reply.body, bytes)
            if not whole:
                self.send_header("Transfer-Encoding", "chunked")
            elif reply.status not in (204, 304):
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if not whole:
                self._stream(reply.body)
            elif reply.status not in (204, 304) and self.command != "HEAD":
                self.wfile.write(reply.body)

        def _stream(self, pieces: Iterator[bytes]):
            for piece in itertools.chain(pieces, (b"",)):  # the empty one is the end
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    return server


def end_with_stdin():
    """Ends the process when its standard input, a pipe, is closed: the parent process has ended."""

    def watch():
        while os.read(sys.stdin.fileno(), 4096):
            pass
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
