"""gRPC servers for the messages that Google's client packages bring. They bring no servicer classes, so that methods are
named here, service by service.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

_running = []  # a server stops when nothing holds it any more


def serve(services: dict) -> int:
    """Starts one with these methods, `{service: {method: handler}}`, on a free port, which it gives."""
    server = grpc.server(ThreadPoolExecutor(4))
    handlers = [grpc.method_handlers_generic_handler(name, methods) for name, methods in services.items()]
    server.add_generic_rpc_handlers(handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    _running.append(server)
    return port


_lock = threading.Lock()


def unary(answer, asked, given):
    """One message for one; one call at a time."""

    def one(request, context):
        with _lock:
            return answer(request, context)

    return grpc.unary_unary_rpc_method_handler(one, _reader(asked), _writer(given))


def stream(answer, asked, given):
    """Many messages for one: `answer` is a generator."""

    def many(request, context):
        with _lock:
            found = list(answer(request, context))
        yield from found

    return grpc.unary_stream_rpc_method_handler(many, _reader(asked), _writer(given))


def _reader(kind):
    return kind.deserialize if hasattr(kind, "deserialize") else kind.FromString


def _writer(kind):
    return kind.serialize if hasattr(kind, "serialize") else kind.SerializeToString
