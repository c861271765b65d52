"""A small shop: orders placed, read, changed, listed in pages, deleted. What clients of several languages speak to, so
that they can be compared. Answers carry an entity tag, and are compressed for those who ask.
"""

import gzip
import hashlib
import json
import secrets

from web import Problem, Reply, Request, Routes, json_reply

HOST = "shop.example"


def failure(status: int, message: str) -> Reply:
    return json_reply(status, {"error": message})


routes = Routes(failure)
answer = routes.answer
orders = {}


@routes.on("POST", "/orders")
def place(request: Request) -> Reply:
    asked = request.json()
    id = f"ord_{secrets.token_hex(8)}"
    orders[id] = {"id": id, "item": asked["item"], "amount": int(asked["amount"]), "reference": asked.get("reference")}
    return json_reply(201, orders[id], {"Location": f"https://{HOST}/orders/{id}"})


@routes.on("GET", "/orders")
def listed(request: Request) -> Reply:
    ids, start = list(orders), int(request.query.get("after", 0))
    end = start + int(request.query.get("limit", 2))
    page = {"orders": [orders[id]["item"] for id in ids[start:end]], "after": end if end < len(ids) else None}
    return _tagged(request, page)


@routes.on("GET", "/orders/{id}")
def read(request: Request) -> Reply:
    return _tagged(request, _order(request))


@routes.on("PUT", "/orders/{id}")
def change(request: Request) -> Reply:
    _order(request)["amount"] = int(request.json()["amount"])
    return _tagged(request, _order(request))


@routes.on("DELETE", "/orders/{id}")
def delete(request: Request) -> Reply:
    _order(request)
    del orders[request.params["id"]]
    return Reply(204)


def _order(request: Request) -> dict:
    if request.params["id"] not in orders:
        raise Problem(failure(404, "no such order"))
    return orders[request.params["id"]]


def _tagged(request: Request, value: dict) -> Reply:
    tag = hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
    headers = {"ETag": f'"{tag}"', "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Reply(304, b"", headers)
    reply = json_reply(200, value, headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        reply.body = gzip.compress(reply.body, mtime=0)
        reply.headers["Content-Encoding"] = "gzip"
    return reply
