"""JSON-RPC 2.0 through jsonrpcclient and `requests`: calls with random identifiers and with counted ones, a
notification, a batch.

New in each run: the identifiers, and where the counted ones start. An answer must carry its request's identifier back.
"""

import itertools
import random

import requests
from jsonrpcclient import Error, notification, parse, request, request_uuid
from kit import fresh_id, meant, now, show

session = requests.Session()
count = itertools.count(random.randrange(1000, 10**9))


def ask(call):
    answer = session.post("https://rpc.example/rpc", json=call, timeout=30)
    return answer.json() if answer.content else None


def said(call: dict) -> tuple:
    """What the answer has, and whether it is the answer to this call."""
    answer = parse(ask(call))
    what = [answer.code, answer.message] if isinstance(answer, Error) else answer.result
    return what, answer.id == call["id"]


for account, amount in (("ada", 10), ("grace", meant(1, 20, 21)), ("ada", 5)):
    show("credit", *said(request_uuid("credit", params={"account": account, "amount": amount, "at": now()})))
for account in ("grace", "ada", "nobody"):
    show("balance", *said(request("balance", params=[account], id=next(count))))
show("notified", ask(notification("credit", params={"account": "ada", "amount": 1, "trace": fresh_id()})))
show("balance", *said(request_uuid("balance", params=["ada"])))
show("accounts", *said(request("accounts", id=next(count))))
show("unknown", *said(request_uuid("nonsense")))
batch = [request_uuid("balance", params=[account]) for account in ("ada", meant(2, "grace", "eve"))]
for call, answer in zip(batch, map(parse, ask(batch)), strict=True):
    show("batch", answer.result, answer.id == call["id"])
