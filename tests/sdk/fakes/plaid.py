"""The sample's Plaid, and what it hasn't: /transactions/get, which asks for days by date.

https://plaid.com/docs/api/products/transactions/#transactionsget
"""

import datetime

from backends import plaid
from web import Reply, Request

HOST = plaid.HOST
answer = plaid.answer


@plaid.routes.on("POST", "/transactions/get")
def get(request: Request) -> Reply:
    item, data = plaid._item(request), request.json()
    start, end = (datetime.date.fromisoformat(data[name]) for name in ("start_date", "end_date"))
    if start > end:
        raise ValueError("start_date must be before end_date")
    count, offset = (data.get("options", {}).get(name, usual) for name, usual in (("count", 100), ("offset", 0)))
    total = min((end - start).days, len(plaid.TRANSACTIONS))
    found = [plaid._transaction(item, number) for number in range(total)]
    body = {"accounts": item["accounts"], "item": plaid._shown(item), "total_transactions": total}
    return plaid._ok({**body, "transactions": found[offset : offset + count]})
