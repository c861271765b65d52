"""The sample service with one thing broken: broken_payment.py WHAT [ARGS of payment.py]. Run at the top of the repository.

WHAT: field (an answer has another name for one), new-call, dropped-call, slow, crash, hang.
"""

import os
import sys
import time

sys.path.insert(0, "examples/payment")

import clients  # noqa: E402  (it is found by the path set above)
import payment  # noqa: E402
import web  # noqa: E402
from hubspot.crm.associations.v4 import BasicApi  # noqa: E402

what = sys.argv.pop(1)
answer, stripe_client = web.Routes.answer, clients.stripe_client
stripe = []


def with_stripe():
    client = stripe_client()
    stripe.append(client)
    return client


def broken(self, request):
    payments = request.path == "/payments"
    if what == "crash" and payments:
        print("out of luck", flush=True)
        os._exit(3)
    if what == "hang" and payments:
        time.sleep(3600)
    if what == "slow" and payments:
        time.sleep(0.4)
    if what == "new-call" and payments:
        try:
            stripe[0].v1.payouts.list()
        except Exception as error:  # whatever the SDK makes of a miss
            print(f"payouts: {error}", flush=True)
    reply = answer(self, request)
    if what == "field" and request.path == "/customers/ada":
        reply.body = reply.body.replace(b'"email"', b'"mail"')
    return reply


if what == "dropped-call":
    BasicApi.create = lambda *_, **__: None
clients.stripe_client = with_stripe
web.Routes.answer = broken
payment.main()
