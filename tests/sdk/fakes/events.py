"""A small backend that takes events as JSON, compressed or not, and counts them. It undoes gzip and deflate."""

import gzip
import json
import secrets
import zlib

from web import Reply, Request, Routes, json_reply

HOST = "events.example"


def failure(status: int, message: str) -> Reply:
    return json_reply(status, {"error": message})


routes = Routes(failure)
answer = routes.answer
UNDO = {"": bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}
counts = {}


@routes.on("POST", "/events")
def take(request: Request) -> Reply:
    given = json.loads(UNDO[request.headers.get("content-encoding", "")](request.body))
    counts[given["stream"]] = counts.get(given["stream"], 0) + len(given["events"])
    body = {"receipt": f"rcp_{secrets.token_urlsafe(9)}", "stream": given["stream"], "count": counts[given["stream"]]}
    reply = json_reply(202, body)
    if "gzip" in request.headers.get("accept-encoding", ""):
        reply.body = gzip.compress(reply.body)
        reply.headers["Content-Encoding"] = "gzip"
    return reply


@routes.on("GET", "/streams/{name}")
def count(request: Request) -> Reply:
    return json_reply(200, {"count": counts.get(request.params["name"], 0)})
