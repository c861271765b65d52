"""A small JSON-RPC 2.0 backend: a ledger. One request or a batch, notifications too.
https://www.jsonrpc.org/specification
"""

import json

from web import Reply, Request, Routes, json_reply

HOST = "rpc.example"


def failure(status: int, message: str) -> Reply:
    return json_reply(status, {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": message}})


routes = Routes(failure)
answer = routes.answer
balances = {}


def _credit(account, amount, **_):
    balances[account] = balances.get(account, 0) + amount
    return {"account": account, "balance": balances[account]}


METHODS = {"credit": _credit, "balance": lambda account: balances.get(account, 0), "accounts": lambda: sorted(balances)}


def _call(asked: dict):
    params, method = asked.get("params", {}), METHODS.get(asked["method"])
    if method is None:
        said = {"error": {"code": -32601, "message": "Method not found"}}
    else:
        said = {"result": method(*params) if isinstance(params, list) else method(**params)}
    return {"jsonrpc": "2.0", **said, "id": asked["id"]} if "id" in asked else None


@routes.on("POST", "/rpc")
def ask(request: Request) -> Reply:
    asked = request.json()
    said = [_call(one) for one in (asked if isinstance(asked, list) else [asked])]
    said = [one for one in said if one is not None]
    if not said:
        return Reply(204)
    return Reply(
        200, json.dumps(said if isinstance(asked, list) else said[0]).encode(), {"Content-Type": "application/json"}
    )
