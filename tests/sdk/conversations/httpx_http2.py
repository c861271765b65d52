"""A shop through httpx, which speaks HTTP/2: orders placed one by one and several at once on one connection, read,
changed, listed in pages, deleted.

New in each run: the bearer token, an order's reference (which the answer carries back).
"""

import asyncio

import httpx
from kit import fresh_id, fresh_secret, meant, show

URL = "https://shop.example"
headers = {"Authorization": f"Bearer {fresh_secret()}"}


def in_turn():
    with httpx.Client(http2=True, base_url=URL, headers=headers, timeout=30) as client:
        made = []
        for item, amount in (("tea", 3), ("milk", meant(1, 5, 6))):
            own = fresh_id()
            answer = client.post("/orders", json={"item": item, "amount": amount, "reference": own})
            made.append(answer.json()["id"])
            same = answer.json()["reference"] == own
            show("placed", answer.http_version, answer.status_code, answer.headers["location"], same)
        for id in reversed(made):
            answer = client.get(f"/orders/{id}")
            show("read", answer.http_version, answer.json()["item"], answer.headers["etag"])
        again = client.get(f"/orders/{made[0]}", headers={"If-None-Match": answer.headers["etag"]})
        show("not changed", again.status_code)
        # The same question before and after.
        show("changed", client.put(f"/orders/{made[0]}", json={"amount": 4}).json()["amount"])
        show("read", client.get(f"/orders/{made[0]}").json()["amount"])
        show("none", client.get("/orders/none").status_code, client.delete(f"/orders/{made[1]}").status_code)


async def at_once():
    async with httpx.AsyncClient(http2=True, base_url=URL, headers=headers, timeout=30) as client:
        items = ("bread", "salt", "rice", "oil", meant(2, "eggs", "ham"))
        placing = (client.post("/orders", json={"item": item, "amount": 1, "reference": fresh_id()}) for item in items)
        placed = [(answer.http_version, answer.json()["id"]) for answer in await asyncio.gather(*placing)]
        reading = await asyncio.gather(*(client.get(f"/orders/{id}") for _, id in placed))
        show("at once", [version for version, _ in placed], [answer.json()["item"] for answer in reading])
        after = 0
        while after is not None:
            page = (await client.get("/orders", params={"after": after, "limit": 4})).json()
            after = page["after"]
            show("page", page["orders"])


in_turn()
asyncio.run(at_once())
