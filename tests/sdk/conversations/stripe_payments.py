"""Stripe through stripe-python: customers in pages, payments taken, refused, held, captured and refunded.

New in each run: the API key, idempotency keys (the SDK's own and ours), correlation identifiers and times in metadata.
The identifiers of customers and payments are Stripe's, and come back to it.
"""

import time

import stripe
from kit import fresh_id, fresh_secret, meant, now, refused, show

stripe.enable_telemetry = False
client = stripe.StripeClient(f"sk_test_{fresh_secret()}").v1

customers = []
for name in ("Ada", "Grace", "Alan", "Edsger", "Barbara"):
    made = client.customers.create(
        {
            "name": name,
            "email": f"{name.lower()}@{meant(2, 'example.com', 'example.org')}",
            "metadata": {"correlation": fresh_id(), "at": now()},
        }
    )
    customers.append(made.id)
    show("customer", made.id, made.name, made.email, made.created)
for which in (3, 0):
    show("again", client.customers.retrieve(customers[which]).name)
listed = client.customers.list({"limit": 2})
show("listed", [one.name for one in listed.auto_paging_iter()])
show("changed", client.customers.update(customers[1], {"description": f"seen {int(time.time())}"}).id)

payments = {}
for amount, manual in ((1200, False), (meant(1, 3400, 3401), True), (1200, False)):
    card = client.payment_methods.attach("pm_card_visa", {"customer": customers[0]})
    params = {
        "amount": amount,
        "currency": "eur",
        "customer": customers[0],
        "payment_method": card.id,
        "confirm": True,
        "capture_method": "manual" if manual else "automatic",
        "metadata": {"order": fresh_id()},
    }
    made = client.payment_intents.create(params, {"idempotency_key": fresh_id()})
    payments[made.id] = made
    show("payment", made.id, made.amount, made.status)
first, held, second = payments
# Nothing but the capture in between: the same question, two answers.
show("held", client.payment_intents.retrieve(held).status)
show("captured", client.payment_intents.capture(held).status)
show("then", client.payment_intents.retrieve(held).status)
try:
    bad = client.payment_methods.attach("pm_card_visa_chargeDeclined", {"customer": customers[1]})
    client.payment_intents.create(
        {"amount": 500, "currency": "eur", "customer": customers[1], "payment_method": bad.id, "confirm": True}
    )
except stripe.CardError as error:
    show("declined", error.http_status, error.code, error.user_message)
error = refused(lambda: client.customers.retrieve("cus_none"), stripe.InvalidRequestError)
show("missing", error.http_status, error.user_message)

charges = client.charges.list({"customer": customers[0], "limit": 10}).data
show("charges", [(one.id, one.amount, one.captured) for one in charges])
for charge, amount in ((charges[0], 200), (charges[0], 300), (charges[-1], 200)):
    back = client.refunds.create({"charge": charge.id, "amount": amount, "metadata": {"reason": fresh_id()}})
    show("refund", back.id, back.amount, back.charge)
show("refunds", [one.amount for one in client.refunds.list({"charge": charges[0].id}).data])
show("deleted", client.customers.delete(customers[4]).id)
