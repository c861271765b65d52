"""What the service is asked: a day of a payment service in 192 requests, and a short form of 10.

Each step is `call(method, template, ...)`; `run.py` makes the requests, checks the status and the fields given, and counts.
The order matters: later steps see what earlier ones did. Nothing here depends on the clock or on chance.
"""

CUSTOMERS = {
    "ada": "Ada Lovelace",
    "bob": "Bob Kahn",
    "cyd": "Cyd Charisse",
    "dan": "Dan Bernstein",
    "eve": "Eve Arden",
    "fay": "Fay Wray",
    "gus": "Gus Grissom",
    "mal": "Mal Reynolds",
}
DECLINING_CARD = "pm_card_chargeCustomerFail"
PAYMENTS = (  # id, customer, amount, captured at once
    ("p-01", "ada", 1200, True),
    ("p-02", "ada", 2599, True),
    ("p-03", "ada", 310, True),
    ("p-04", "ada", 9900, False),
    ("p-05", "ada", 75, True),
    ("p-06", "bob", 4000, True),
    ("p-07", "bob", 4000, True),
    ("p-08", "bob", 15000, False),
    ("p-09", "cyd", 899, True),
    ("p-10", "cyd", 899, True),
    ("p-11", "dan", 120000, False),
    ("p-12", "dan", 450, True),
    ("p-13", "eve", 6100, True),
    ("p-14", "fay", 2000, False),
    ("p-15", "fay", 2000, True),
    ("p-16", "gus", 33, True),
)
HELD = [id for id, _, _, captured in PAYMENTS if not captured]
REFUNDS = (
    ("r-1", "p-01", 200),
    ("r-2", "p-02", 2599),
    ("r-3", "p-06", 1000),
    ("r-4", "p-09", 899),
    ("r-5", "p-13", 100),
)
APIS = ("sheets", "drive", "calendar", "gmail", "people", "storage", "pubsub", "nonesuch")
PDF = b"%PDF-1.4\n"


def full(call):
    sign_up(call)
    take_payments(call)
    settle(call)
    give_back(call)
    keep_in_touch(call)
    link_accounts(call)
    check_integrations(call)
    say_goodbye(call)


def quick(call):
    """Ten requests, with every backend in them."""
    call("GET", "/healthz", check={"status": "ok"})
    ada = {"id": "ada", "name": CUSTOMERS["ada"], "email": "ada@example.com"}
    call("POST", "/customers", json=ada, status=201)
    call("GET", "/customers/{id}", id="ada", check={"payments": 0})
    pay(call, "p-01", "ada", 1200, True)
    call("GET", "/customers/{id}", id="ada", check={"payments": 1, "paid": 1200})
    call("GET", "/payments/{id}", id="p-01", query="fresh=1", check={"status": "succeeded"})
    call("GET", "/charges/{id}", id="ch_unknown", status=404)
    call("GET", "/customers/{id}/contact", id="ada", check={"email": "ada@example.com"})
    account = {"id": "checking", "customer": "ada", "institution": "ins_109508"}
    call("POST", "/accounts", json=account, status=201)
    call("GET", "/integrations/{name}", name="sheets", check={"version": "v4"})


def sign_up(call):
    for id, name in CUSTOMERS.items():
        body = {"id": id, "name": name, "email": f"{id}@example.com"}
        if id == "mal":
            body["card"] = DECLINING_CARD
        call("POST", "/customers", json=body, status=201, check={"id": id, "paid": 0})
    call("POST", "/customers", json={"id": "ada", "name": "Ada", "email": "ada@example.com"}, status=409)
    call("POST", "/customers", json={"id": "zoe"}, status=400)
    call("GET", "/customers/{id}", id="nobody", status=404)
    after = ""
    for expected in (3, 3, 2):
        page = call("GET", "/customers", query=f"limit=3{after}", count={"customers": expected})
        after = f"&after={page['next']}"


def pay(call, id, customer, amount, captured):
    body = {"id": id, "customer": customer, "amount": amount, "currency": "eur", "capture": captured}
    result = "succeeded" if captured else "requires_capture"
    call("POST", "/payments", json=body, status=201, check={"status": result})


def take_payments(call):
    for id, customer, amount, captured in PAYMENTS:
        pay(call, id, customer, amount, captured)
    for id in ("p-17", "p-18"):
        body = {"id": id, "customer": "mal", "amount": 500, "currency": "eur"}
        call("POST", "/payments", json=body, status=402, check={"status": "declined", "reason": "card_declined"})
    call("POST", "/payments", json={"id": "p-19", "customer": "ada", "amount": -1, "currency": "eur"}, status=400)
    call("POST", "/payments", json={"id": "p-19", "customer": "nobody", "amount": 1, "currency": "eur"}, status=404)
    call("POST", "/payments", json={"id": "p-19"}, status=400)
    call("GET", "/customers/{id}", id="ada", check={"payments": 5, "paid": 4184})


def settle(call):
    """The held payments: read, captured (the last one cancelled), read again."""
    for id in HELD:
        call("GET", "/payments/{id}", id=id, query="fresh=1", check={"status": "requires_capture"})
    for id in HELD[:-1]:
        call("POST", "/payments/{id}/capture", id=id, check={"status": "succeeded"})
    call("POST", "/payments/{id}/cancel", id=HELD[-1], check={"status": "canceled"})
    for id in HELD:
        result = "canceled" if id == HELD[-1] else "succeeded"
        call("GET", "/payments/{id}", id=id, query="fresh=1", check={"status": result})
    call("GET", "/payments/{id}", id="p-17", check={"status": "declined"})
    call("GET", "/payments/{id}", id="p-99", status=404)
    for customer, expected in (("ada", 5), ("bob", 3), ("mal", 2), ("cyd", 2)):
        call("GET", "/customers/{id}/movements", id=customer, count={"movements": expected})
    charges = call("GET", "/customers/{id}/charges", id="ada", count={"charges": 5}).get("charges")
    call("GET", "/charges/{id}", id=charges[0]["id"] if charges else "ch_none", check={"amount": 1200})
    call("GET", "/customers/{id}/charges", id="bob", count={"charges": 3})
    call("GET", "/balance")


def give_back(call):
    call("GET", "/balance")
    call("DELETE", "/balance", status=405)
    for id, payment, amount in REFUNDS:
        call("POST", "/refunds", json={"id": id, "payment": payment, "amount": amount}, status=201)
        call("GET", "/refunds/{id}", id=id, check={"status": "succeeded", "amount": amount})
    call("POST", "/refunds", json={"id": "r-6", "payment": "p-14", "amount": 1}, status=409)
    call("POST", "/refunds", json={"id": "r-6", "payment": "p-99", "amount": 1}, status=404)
    call("GET", "/refunds/{id}", id="r-6", status=404)
    call("GET", "/balance")
    call("GET", "/charges/{id}", id="ch_unknown", status=404)
    call("GET", "/customers/{id}", id="ada", check={"paid": 11285})
    call("GET", "/customers/{id}", id="bob", check={"paid": 22000})
    call("GET", "/customers/{id}/movements", id="ada", count={"movements": 7})
    call("GET", "/receipts", query="ids=p-01,p-02,p-03", count={"payments": 3})
    call("GET", "/receipts", query="ids=p-16,p-99", count={"payments": 1})
    call("GET", "/receipts", status=400)
    call("GET", "/balance")
    call("GET", "/invoices", status=404)


def keep_in_touch(call):
    """Contacts before and after a change of address."""
    for id in ("bob", "cyd", "dan", "eve"):
        call("GET", "/customers/{id}/contact", id=id, check={"email": f"{id}@example.com"})
        call("PATCH", "/customers/{id}", id=id, json={"email": f"{id}@example.org"})
        call("GET", "/customers/{id}/contact", id=id, check={"email": f"{id}@example.org"})
    call("PATCH", "/customers/{id}", id="nobody", json={"email": "nobody@example.org"}, status=404)
    call("GET", "/contacts", query="email=bob@example.org", count={"contacts": 1})
    call("GET", "/contacts", query="email=bob@example.com", count={"contacts": 0})
    call("GET", "/contacts", query="email=ada@example.com", count={"contacts": 1})
    call("GET", "/contacts/{id}", id="1", status=404)
    after = ""
    for expected in (3, 3, 2):
        page = call("GET", "/contacts", query=f"limit=3{after}", count={"contacts": expected})
        after = f"&after={page['next']}"
    call("POST", "/customers/{id}/deals", id="ada", json={"name": "Yearly plan", "amount": 1200}, status=201)
    call("POST", "/customers/{id}/deals", id="dan", json={"name": "Größere Bestellung", "amount": 90}, status=201)


def link_accounts(call):
    for id, customer, institution in (("checking", "ada", "ins_109508"), ("savings", "bob", "ins_109509")):
        body = {"id": id, "customer": customer, "institution": institution}
        call("POST", "/accounts", json=body, status=201, count={"names": 3})
    unknown = {"id": "x", "customer": "ada", "institution": "ins_0"}
    call("POST", "/accounts", json=unknown, status=422, check={"error": "INVALID_INSTITUTION"})
    call("GET", "/accounts/{id}", id="checking")
    call("GET", "/accounts/{id}", id="savings")
    call("GET", "/accounts/{id}/transactions", id="checking", count={"transactions": 5})
    call("POST", "/accounts/{id}/report", id="checking", status=202, check={"status": "ordered"})
    call("GET", "/accounts/{id}/report", id="checking", status=202, check={"status": "not ready"})
    call("GET", "/accounts/{id}/report", id="checking", starts=PDF)
    call("DELETE", "/accounts/{id}", id="savings", status=204)
    call("GET", "/accounts/{id}", id="savings", status=404)


def check_integrations(call):
    for name in APIS:
        call("GET", "/integrations/{name}", name=name, status=404 if name == "nonesuch" else 200)
    for name in APIS[:6]:
        call("GET", "/integrations/{name}", name=name, check={"name": name})


def say_goodbye(call):
    contact = call("GET", "/customers/{id}", id="gus", check={"payments": 1})["contact"]
    call("GET", "/contacts/{id}", id=contact, check={"firstname": "Gus"})
    for id in ("gus", "mal"):
        call("DELETE", "/customers/{id}", id=id, status=204)
    call("GET", "/contacts/{id}", id=contact, status=404)
    call("GET", "/customers/{id}", id="gus", status=404)
    call("DELETE", "/customers/{id}", id="gus", status=404)
    call("GET", "/customers", query="limit=10", count={"customers": 6})
