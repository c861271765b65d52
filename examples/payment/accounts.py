"""Bank accounts, linked through Plaid. The ledger keeps the access token, and never shows it."""

import json

import plaid
from plaid.model.accounts_balance_get_request import AccountsBalanceGetRequest
from plaid.model.accounts_get_request import AccountsGetRequest
from plaid.model.asset_report_create_request import AssetReportCreateRequest
from plaid.model.asset_report_pdf_get_request import AssetReportPDFGetRequest
from plaid.model.item_public_token_exchange_request import ItemPublicTokenExchangeRequest
from plaid.model.item_remove_request import ItemRemoveRequest
from plaid.model.products import Products
from plaid.model.sandbox_public_token_create_request import SandboxPublicTokenCreateRequest
from plaid.model.transactions_sync_request import TransactionsSyncRequest
from web import Reply, Request, Routes, json_reply

HIDDEN = ("access_token", "report_token")


def add_routes(routes: Routes, app):
    routes.on("POST", "/accounts")(app.handler(link))
    routes.on("GET", "/accounts/{id}")(app.handler(show))
    routes.on("GET", "/accounts/{id}/transactions")(app.handler(list_transactions))
    routes.on("POST", "/accounts/{id}/report")(app.handler(order_report))
    routes.on("GET", "/accounts/{id}/report")(app.handler(fetch_report))
    routes.on("DELETE", "/accounts/{id}")(app.handler(unlink))


def link(app, request: Request) -> Reply:
    """Body: id, customer, institution. The sandbox issues the token of a user's bank log-in."""
    data = app.fields(request, "id", "customer", "institution")
    products = [Products("assets"), Products("transactions")]
    try:
        public = app.plaid.sandbox_public_token_create(
            SandboxPublicTokenCreateRequest(institution_id=data["institution"], initial_products=products)
        )
    except plaid.ApiException as error:
        return json_reply(422, {"error": error_code(error)})
    item = app.plaid.item_public_token_exchange(ItemPublicTokenExchangeRequest(public_token=public.public_token))
    found = app.plaid.accounts_get(AccountsGetRequest(access_token=item.access_token))
    record = {
        "customer": data["customer"],
        "institution": data["institution"],
        "access_token": item.access_token,
        "names": [account.name for account in found.accounts],
    }
    return json_reply(201, _shown(app.ledger.add("account", data["id"], record, "accounts")))


def show(app, request: Request) -> Reply:
    record = app.ledger.get("account", request.params["id"])
    found = app.plaid.accounts_balance_get(AccountsBalanceGetRequest(access_token=record["access_token"]))
    balances = {account.name: account.balances.current for account in found.accounts}
    return json_reply(200, {**_shown(record), "balances": balances})


def list_transactions(app, request: Request) -> Reply:
    """All transactions that the bank has so far, page by page."""
    record = app.ledger.get("account", request.params["id"])
    cursor, more, found = "", True, []
    while more:
        page = app.plaid.transactions_sync(
            TransactionsSyncRequest(access_token=record["access_token"], cursor=cursor, count=3)
        )
        found += [{"name": one.name, "amount": one.amount, "date": one.date.isoformat()} for one in page.added]
        cursor, more = page.next_cursor, page.has_more
    return json_reply(200, {"transactions": found})


def order_report(app, request: Request) -> Reply:
    record = app.ledger.get("account", request.params["id"])
    made = app.plaid.asset_report_create(
        AssetReportCreateRequest(access_tokens=[record["access_token"]], days_requested=30)
    )
    app.ledger.update("account", record["id"], report_token=made.asset_report_token)
    return json_reply(202, {"account": record["id"], "status": "ordered"})


def fetch_report(app, request: Request) -> Reply:
    """The report as PDF; 202 while Plaid is still writing it."""
    record = app.ledger.get("account", request.params["id"])
    try:
        file = app.plaid.asset_report_pdf_get(AssetReportPDFGetRequest(asset_report_token=record["report_token"]))
    except plaid.ApiException as error:
        if error_code(error) != "PRODUCT_NOT_READY":
            raise
        return json_reply(202, {"account": record["id"], "status": "not ready"})
    return Reply(200, app.read_and_delete(file), {"Content-Type": "application/pdf"})


def unlink(app, request: Request) -> Reply:
    record = app.ledger.get("account", request.params["id"])
    app.plaid.item_remove(ItemRemoveRequest(access_token=record["access_token"]))
    app.ledger.remove("account", record["id"])
    return Reply(204)


def error_code(error: plaid.ApiException) -> str:
    try:
        return json.loads(error.body)["error_code"]
    except (TypeError, ValueError, KeyError):
        return "UNKNOWN"


def _shown(record: dict) -> dict:
    return {name: value for name, value in record.items() if name not in HIDDEN}
