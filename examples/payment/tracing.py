"""Passes the trace context of an inbound request on to the calls that it causes, as a tracing library would.

It knows the headers and nothing else: it makes no spans of its own, and where a request has no context, none is sent. Every SDK here sends
by `http.client` in the end (urllib3, httplib2), on the thread that answers the request.
"""

import contextlib
import contextvars
import http.client

NAMES = ("traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-request-id")
_context = contextvars.ContextVar("context", default=())


@contextlib.contextmanager
def of(headers: dict):
    """Calls inside this context carry the context of these headers, whose names are in lower case."""
    token = _context.set(tuple((name, headers[name]) for name in NAMES if name in headers))
    try:
        yield
    finally:
        _context.reset(token)


def install():
    """Makes all later calls carry the context in which they are made."""
    end_headers = http.client.HTTPConnection.endheaders

    def with_context(connection, *arguments, **named):
        for name, value in _context.get():
            connection.putheader(name, value)
        return end_headers(connection, *arguments, **named)

    http.client.HTTPConnection.endheaders = with_context
