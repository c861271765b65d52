#!/usr/bin/env python3
"""Starts backends on free ports of 127.0.0.1: serve.py NAME...

On stdout goes one line once all are ready, {"HOST": "http://127.0.0.1:PORT", ...}: which address stands in for which
host. All begin empty, forget everything, and end with this process: when its standard input is closed, or at a signal.
"""

import asyncio
import importlib
import json
import logging
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The sample's backends, and the HTTP kit that ours are built on too.
sys.path.append(str(HERE.parents[1] / "examples/payment"))

from web import end_with_stdin, serve  # noqa: E402  (it is found by the path set above)

# Default endpoints of the SDKs. boto3 has S3's oldest name for this region.
AWS = tuple(f"{service}.us-east-1.amazonaws.com" for service in ("dynamodb", "kms", "s3", "sqs", "sts"))
S3 = ("s3.amazonaws.com", "ledger-files.s3.amazonaws.com")


def moto() -> dict:
    """All of AWS. Moto tells the services apart by host and signature."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    return dict.fromkeys(AWS + S3, port)


def stripe() -> dict:
    from aiohttp import web
    from localstripe import resources, server

    # It would keep a copy of everything in one file of /tmp, shared by all that run on this machine.
    resources.Store.dump_to_disk = lambda self: None
    ready, port = threading.Event(), []

    async def run():
        runner = web.AppRunner(server.app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port.append(runner.addresses[0][1])
        ready.set()
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    if not ready.wait(60):
        sys.exit("serve: localstripe did not start")
    return {"api.stripe.com": port[0]}


def fake(module: str) -> dict:
    """One of the small ones: a module with a HOST, and an answer for each request, one at a time."""
    backend, lock = importlib.import_module(module), threading.Lock()

    def answer(request):
        with lock:
            return backend.answer(request)

    server = serve(answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return {backend.HOST: server.server_port}


def grpc_fake(module: str) -> dict:
    """One that speaks gRPC."""
    backend = importlib.import_module(f"fakes.{module}")
    return {backend.HOST: backend.start()}


OWN = {"moto": moto, "stripe": stripe}
GRPC = ("orders", "google_firestore", "google_pubsub")
SAMPLE = ("hubspot", "google")  # from examples/payment/backends


def start(name: str) -> dict:
    if name in OWN:
        return OWN[name]()
    if name in GRPC:
        return grpc_fake(name)
    return fake(f"backends.{name}" if name in SAMPLE else f"fakes.{name}")


def main():
    end_with_stdin()
    ports = {host: port for name in sys.argv[1:] for host, port in start(name).items()}
    print(json.dumps({host: f"http://127.0.0.1:{port}" for host, port in ports.items()}), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
