"""Google Firestore through its client, which speaks gRPC: documents written alone, in a batch and in a transaction, read
one by one and several at once, queried, changed, deleted.

New in each run: the access token; in documents a UUID and a time stamp.

protobuf's implementation for Python shuffles the entries of maps, in another way in each process.
"""

from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter
from google.oauth2.credentials import Credentials
from kit import fresh_id, fresh_secret, meant, now, show

db = firestore.Client(project="shop", credentials=Credentials(token=f"ya29.{fresh_secret()}"))
orders = db.collection("orders")


def order(customer: str, amount: int) -> dict:
    return {"customer": customer, "amount": amount, "trace": fresh_id(), "at": now()}


def read(name: str, **how):
    """One document. The client cancels the call as soon as it has the document."""
    return orders.document(name).get(**how)


def told(snapshot) -> tuple:
    return snapshot.id, (snapshot.get("customer"), snapshot.get("amount")) if snapshot.exists else None


show("read", *told(read("none")))
for number, (customer, amount) in enumerate((("ada", 10), ("grace", meant(1, 20, 21)), ("ada", 30))):
    written = orders.document(f"A-{number}").set(order(customer, amount))
    show("written", written.update_time)
batch = db.batch()
for number, customer in enumerate(("alan", "ada")):
    batch.set(orders.document(f"B-{number}"), order(customer, number))
show("batch", len(batch.commit()))
for name in ("A-1", "A-0"):
    show("read", *told(read(name)))
show("several", sorted(told(one) for one in db.get_all([orders.document("B-0"), orders.document("A-2")])))
for customer in ("ada", meant(2, "alan", "grace"), "nobody"):
    query = orders.where(filter=FieldFilter("customer", "==", customer)).order_by("amount", direction="DESCENDING")
    show("query", customer, [told(one) for one in query.limit(2).stream()])


@firestore.transactional
def add(transaction, name: str, amount: int) -> int:
    document = orders.document(name)
    total = read(name, transaction=transaction).get("amount") + amount
    transaction.update(document, {"amount": total})
    return total


for amount in (5, 6):
    show("transaction", add(db.transaction(), "A-0", amount))
    show("read", *told(read("A-0")))
orders.document("A-1").update({"amount": 25})
orders.document("A-2").delete()
show("left", [told(one) for one in orders.order_by("amount").stream()])
db.close()
