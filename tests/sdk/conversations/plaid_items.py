"""Plaid through its official client: two items linked, their balances, transactions by cursor and by date, a report as
PDF.

New in each run: the keys, and the days asked for, which end today. Tokens and cursors are Plaid's, and come back to it.
"""

import datetime
import os
import urllib.request

import plaid
from kit import digest, fresh_secret, meant, refused, show, today
from plaid.api.plaid_api import PlaidApi
from plaid.model.accounts_balance_get_request import AccountsBalanceGetRequest
from plaid.model.accounts_get_request import AccountsGetRequest
from plaid.model.asset_report_create_request import AssetReportCreateRequest
from plaid.model.asset_report_pdf_get_request import AssetReportPDFGetRequest
from plaid.model.item_public_token_exchange_request import ItemPublicTokenExchangeRequest
from plaid.model.item_remove_request import ItemRemoveRequest
from plaid.model.products import Products
from plaid.model.sandbox_public_token_create_request import SandboxPublicTokenCreateRequest
from plaid.model.transactions_get_request import TransactionsGetRequest
from plaid.model.transactions_get_request_options import TransactionsGetRequestOptions
from plaid.model.transactions_sync_request import TransactionsSyncRequest

keys = {"clientId": fresh_secret(), "secret": fresh_secret(), "plaidVersion": "2020-09-14"}
configuration = plaid.Configuration(host=plaid.Environment.Sandbox, api_key=keys)
configuration.proxy = urllib.request.getproxies().get("https")  # the client is urllib3, which knows no environment
client = PlaidApi(plaid.ApiClient(configuration))
products = [Products("assets"), Products("transactions")]

items = []
for bank in ("ins_109508", "ins_109509"):
    public = client.sandbox_public_token_create(
        SandboxPublicTokenCreateRequest(institution_id=bank, initial_products=products)
    )
    item = client.item_public_token_exchange(ItemPublicTokenExchangeRequest(public_token=public.public_token))
    items.append(item.access_token)
    show("item", item.item_id, item.request_id)
for token in reversed(items):
    found = client.accounts_get(AccountsGetRequest(access_token=token))
    show("accounts", found.item.institution_id, [(one.account_id, one.name) for one in found.accounts])
balances = client.accounts_balance_get(AccountsBalanceGetRequest(access_token=items[0]))
show("balances", {one.name: one.balances.current for one in balances.accounts})

cursor, more = "", True
while more:
    page = client.transactions_sync(TransactionsSyncRequest(access_token=items[0], cursor=cursor, count=2))
    cursor, more = page.next_cursor, page.has_more
    show("synced", [one.name for one in page.added], cursor)
for days in (30, 3):
    for offset in (0, 2):
        asked = TransactionsGetRequest(
            access_token=items[1],
            start_date=today() - datetime.timedelta(days),
            end_date=today(),
            options=TransactionsGetRequestOptions(count=meant(1, 2, 3), offset=offset),
        )
        got = client.transactions_get(asked)
        show("days", days, offset, got.total_transactions, [one.name for one in got.transactions])

report = client.asset_report_create(AssetReportCreateRequest(access_tokens=items, days_requested=30))
wanted = AssetReportPDFGetRequest(asset_report_token=report.asset_report_token)
show("not ready", refused(lambda: client.asset_report_pdf_get(wanted), plaid.ApiException).status)
file = client.asset_report_pdf_get(wanted)
file.seek(0)
show("report", report.asset_report_id, digest(file.read()))
file.close()
os.unlink(file.name)
for token in items:
    client.item_remove(ItemRemoveRequest(access_token=token))
gone = AccountsGetRequest(access_token=items[0])
show("removed", refused(lambda: client.accounts_get(gone), plaid.ApiException).status)
