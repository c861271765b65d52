#!/usr/bin/env python3
"""The sample service: payments for customers, on five backends, each spoken to through its official SDK.

    DynamoDB (boto3)   its records          Stripe    cards and refunds      HubSpot   contacts and deals
    Plaid              bank accounts        Google    which APIs there are

It calls their real host names, through the proxy that the environment names, and knows nothing of recordings. Nothing that
it sends depends on the clock or on chance, but for what the SDKs put into headers. Usage: payment.py [--port N] [--made-up-credentials]
"""

import argparse
import collections
import functools
import os
import sys

import clients  # first, for it says which SDK is missing
import accounts
import charges
import customers
import tracing
from credentials import of_the_sample
from botocore.exceptions import BotoCoreError, ClientError
from googleapiclient.errors import HttpError
from ledger import Exists, Ledger, Missing
from web import Problem, Reply, Request, Routes, end_with_stdin, json_reply, serve


class App:
    """The SDK clients, and what the handlers share."""

    def __init__(self):
        self.ledger = Ledger(clients.dynamodb())
        self.stripe = clients.stripe_client()
        self.hubspot = clients.hubspot_client()
        self.plaid = clients.plaid_client()
        self.answered = collections.Counter()
        self._etags = {}

    @functools.cached_property
    def google(self):
        """Fetches the API's description at its first use."""
        return clients.google_client()

    def handler(self, function):
        """The function as a route's handler, with the ledger's refusals turned into replies."""

        def handle(request: Request) -> Reply:
            try:
                return function(self, request)
            except Missing as error:
                return json_reply(404, {"error": str(error)})
            except Exists as error:
                return json_reply(409, {"error": str(error)})

        return handle

    def metrics(self, _request: Request) -> Reply:
        """How many requests were answered, by status, as Prometheus reads it."""
        lines = [
            f'payment_requests_total{{status="{status}"}} {self.answered[status]}' for status in sorted(self.answered)
        ]
        return Reply(
            200, "".join(f"{line}\n" for line in lines).encode(), {"Content-Type": "text/plain; version=0.0.4"}
        )

    @staticmethod
    def fields(request: Request, *names: str) -> dict:
        """The request's JSON object; 400 if one of the names is missing."""
        data = request.json()
        missing = [name for name in names if not isinstance(data, dict) or data.get(name) in (None, "")]
        if missing:
            raise Problem(json_reply(400, {"error": f"missing: {', '.join(missing)}"}))
        return data

    @staticmethod
    def number(request: Request, name: str, default: int) -> int:
        value = int(request.query.get(name, default))
        if value < 1:
            raise ValueError(f"{name} must be at least 1")
        return value

    @staticmethod
    def read_and_delete(file) -> bytes:
        """The content of a file that an SDK downloaded into the temporary folder."""
        with file:
            content = file.read()
        os.remove(file.name)
        return content

    def show_api(self, request: Request) -> Reply:
        """The preferred version of a Google API. Asks with the entity tag of the last answer, as a cache would."""
        name = request.params["name"]
        etag, known = self._etags.get(name, (None, None))
        question = self.google.apis().list(name=name, preferred=True)
        if etag:
            question.headers["If-None-Match"] = etag
        try:
            found = question.execute()
        except HttpError as error:
            if error.resp.status != 304:
                raise
            return json_reply(200, known)
        items = found.get("items", [])
        if not items:
            return json_reply(404, {"error": f"Google has no API {name}"})
        shown = {"name": name, "version": items[0]["version"], "title": items[0]["title"]}
        self._etags[name] = (found["etag"], shown)
        return json_reply(200, shown)


def build_routes(app: App) -> Routes:
    routes = Routes(lambda status, message: json_reply(status, {"error": message}))
    routes.on("GET", "/healthz")(lambda _request: json_reply(200, {"status": "ok"}))
    routes.on("GET", "/metrics")(app.metrics)
    routes.on("GET", "/integrations/{name}")(app.handler(App.show_api))
    customers.add_routes(routes, app)
    charges.add_routes(routes, app)
    accounts.add_routes(routes, app)
    return routes


def main():
    parser = argparse.ArgumentParser(description="the payment sample service")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    parser.add_argument("--end-with-stdin", action="store_true", help="end when standard input is closed")
    parser.add_argument("--made-up-credentials", action="store_true", help="use credentials that open nothing")
    arguments = parser.parse_args()
    if arguments.made_up_credentials:
        environment = of_the_sample(os.environ)
        os.environ.clear()
        os.environ.update(environment)
    if arguments.end_with_stdin:
        end_with_stdin()
    app = App()
    try:
        app.ledger.ensure_table()
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"payment: DynamoDB does not answer as it should: {error}")
    routes = build_routes(app)

    tracing.install()

    def answer(request: Request) -> Reply:
        with tracing.of(request.headers):
            reply = routes.answer(request)
        app.answered[reply.status] += 1
        return reply

    server = serve(answer, arguments.port)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
