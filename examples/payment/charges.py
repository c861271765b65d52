"""Payments and refunds: Stripe moves the money, the ledger stores them."""

import stripe
from web import Reply, Request, Routes, json_reply

FINAL = ("succeeded", "canceled", "declined")


def add_routes(routes: Routes, app):
    routes.on("POST", "/payments")(app.handler(pay))
    routes.on("GET", "/payments/{id}")(app.handler(show))
    routes.on("POST", "/payments/{id}/capture")(app.handler(capture))
    routes.on("POST", "/payments/{id}/cancel")(app.handler(cancel))
    routes.on("GET", "/customers/{id}/movements")(app.handler(list_movements))
    routes.on("GET", "/customers/{id}/charges")(app.handler(list_charges))
    routes.on("GET", "/charges/{id}")(app.handler(show_charge))
    routes.on("POST", "/refunds")(app.handler(refund))
    routes.on("GET", "/refunds/{id}")(app.handler(show_refund))
    routes.on("GET", "/balance")(app.handler(balance))
    routes.on("GET", "/receipts")(app.handler(receipts))


def pay(app, request: Request) -> Reply:
    """Body: id, customer, amount, currency; `capture: false` authorises only. A declined card is kept, and answers 402."""
    data = app.fields(request, "id", "customer", "amount", "currency")
    if not isinstance(data["amount"], int) or data["amount"] <= 0:
        raise ValueError("amount must be a positive whole number of the currency's smallest unit")
    customer = app.ledger.get("customer", data["customer"])
    record = {"customer": data["customer"], "amount": data["amount"], "currency": data["currency"]}
    try:
        intent = app.stripe.v1.payment_intents.create(
            {
                "amount": data["amount"],
                "currency": data["currency"],
                "customer": customer["stripe"],
                "payment_method": customer["card"],
                "confirm": True,
                "capture_method": "automatic" if data.get("capture", True) else "manual",
                "metadata": {"payment": data["id"]},
            }
        )
    except stripe.CardError as error:
        group = f"customer#{data['customer']}"
        record = app.ledger.add("payment", data["id"], {**record, "status": "declined", "reason": error.code}, group)
        return json_reply(402, record)
    record |= {"status": intent.status, "intent": intent.id}
    counters = {"payments": 1, "paid": data["amount"] if intent.status == "succeeded" else 0}
    return json_reply(201, app.ledger.add_and_count("payment", data["id"], record, data["customer"], counters))


def show(app, request: Request) -> Reply:
    """The status comes from Stripe until it is final, or if the query says `fresh`."""
    record = app.ledger.get("payment", request.params["id"])
    if "intent" in record and (record["status"] not in FINAL or "fresh" in request.query):
        record["status"] = app.stripe.v1.payment_intents.retrieve(record["intent"]).status
    return json_reply(200, record)


def capture(app, request: Request) -> Reply:
    record = app.ledger.get("payment", request.params["id"])
    intent = app.stripe.v1.payment_intents.capture(record["intent"])
    changes, counters = {"status": intent.status}, {"paid": record["amount"]}
    return json_reply(200, app.ledger.update_and_count("payment", record, changes, record["customer"], counters))


def cancel(app, request: Request) -> Reply:
    record = app.ledger.get("payment", request.params["id"])
    intent = app.stripe.v1.payment_intents.cancel(record["intent"])
    return json_reply(200, app.ledger.update("payment", record["id"], status=intent.status))


def list_movements(app, request: Request) -> Reply:
    """The customer's payments and refunds, from the ledger."""
    items = app.ledger.pages(f"customer#{request.params['id']}", app.number(request, "limit", 3))
    return json_reply(200, {"movements": items})


def list_charges(app, request: Request) -> Reply:
    """Stripe's own list of the customer's charges, page by page."""
    customer = app.ledger.get("customer", request.params["id"])
    limit = app.number(request, "limit", 2)
    charges = app.stripe.v1.charges.list({"customer": customer["stripe"], "limit": limit})
    shown = [{"id": one.id, "amount": one.amount, "paid": one.paid} for one in charges.auto_paging_iter()]
    return json_reply(200, {"charges": shown})


def show_charge(app, request: Request) -> Reply:
    try:
        charge = app.stripe.v1.charges.retrieve(request.params["id"])
    except stripe.InvalidRequestError as error:
        if error.http_status != 404:
            raise
        return json_reply(404, {"error": f"Stripe has no charge {request.params['id']}"})
    return json_reply(200, {"id": charge.id, "amount": charge.amount, "paid": charge.paid})


def refund(app, request: Request) -> Reply:
    """Body: id, payment, amount."""
    data = app.fields(request, "id", "payment", "amount")
    payment = app.ledger.get("payment", data["payment"])
    if payment["status"] != "succeeded":
        return json_reply(409, {"error": f"payment {payment['id']} is {payment['status']}"})
    made = app.stripe.v1.refunds.create({"payment_intent": payment["intent"], "amount": data["amount"]})
    record = {"payment": payment["id"], "amount": made.amount, "refund": made.id, "customer": payment["customer"]}
    counters = {"paid": -made.amount}
    return json_reply(201, app.ledger.add_and_count("refund", data["id"], record, payment["customer"], counters))


def show_refund(app, request: Request) -> Reply:
    record = app.ledger.get("refund", request.params["id"])
    return json_reply(200, {**record, "status": app.stripe.v1.refunds.retrieve(record["refund"]).status})


def balance(app, _request: Request) -> Reply:
    """The service's own balance at Stripe."""
    found = app.stripe.v1.balance.retrieve()
    return json_reply(200, {"available": found.to_dict()["available"]})


def receipts(app, request: Request) -> Reply:
    """Several payments in one request: `ids=p-1,p-2`."""
    ids = [id for id in request.query.get("ids", "").split(",") if id]
    if not ids:
        raise ValueError("ids is missing")
    return json_reply(200, {"payments": app.ledger.batch("payment", ids)})
