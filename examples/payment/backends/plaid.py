"""A small fake of Plaid's sandbox: link an item, its accounts, its transactions, an asset report, in memory.

Error bodies follow https://plaid.com/docs/errors/. Tokens and identifiers are random, as Plaid's are. An asset report is
"written" by the second time it is asked for: the first gets PRODUCT_NOT_READY.
"""

import secrets
import uuid

from web import Problem, Reply, Request, Routes, json_reply

HOST = "sandbox.plaid.com"
INSTITUTIONS = {"ins_109508": "First Platypus Bank", "ins_109509": "First Gingham Credit Union"}
PRODUCTS = {"assets", "auth", "balance", "identity", "transactions"}
ACCOUNTS = (  # name, official name, mask, type, subtype, available, current
    ("Plaid Checking", "Plaid Gold Standard 0% Interest Checking", "0000", "depository", "checking", 100, 110),
    ("Plaid Saving", "Plaid Silver Standard 0.1% Interest Saving", "1111", "depository", "savings", 200, 210),
    ("Plaid Credit Card", "Plaid Diamond 12.5% APR Interest Credit Card", "3333", "credit", "credit card", None, 410),
)
TRANSACTIONS = (  # name, amount, date
    ("Uber 072515 SF**POOL**", 6.33, "2026-03-01"),
    ("Tectra Inc", 500.0, "2026-03-02"),
    ("United Airlines", -500.0, "2026-03-04"),
    ("McDonald's", 12.0, "2026-03-05"),
    ("Starbucks", 4.33, "2026-03-05"),
)
# Fields that a transaction always has, here without a value.
LOCATION = ("address", "city", "region", "postal_code", "country", "lat", "lon", "store_number")
PAYMENT_META = (
    *("reference_number", "ppd_id", "payee", "by_order_of", "payer", "payment_method", "payment_processor", "reason"),
)
TRANSACTION_NULLS = (
    *("account_owner", "authorized_date", "authorized_datetime", "datetime", "merchant_name", "pending_transaction_id"),
    *("transaction_code", "unofficial_currency_code"),
)

items, public_tokens, reports = {}, {}, {}  # by access token, by public token, by report token


def failure(status: int, message: str, kind: str = "INVALID_REQUEST", code: str = "INVALID_FIELD") -> Reply:
    if status == 404:
        kind, code = "INVALID_REQUEST", "NOT_FOUND"
    body = {
        "display_message": None,
        "documentation_url": f"https://plaid.com/docs/?ref=error#{kind.lower().replace('_', '-')}-errors",
        "error_code": code,
        "error_message": message,
        "error_type": kind,
        "request_id": _request_id(),
        "suggested_action": None,
    }
    return json_reply(status, body)


routes = Routes(failure)


def answer(request: Request) -> Reply:
    headers = request.headers
    if not headers.get("plaid-client-id") or not headers.get("plaid-secret"):
        return failure(400, "client_id must be a properly formatted, non-empty string", code="MISSING_FIELDS")
    return routes.answer(request)


@routes.on("POST", "/sandbox/public_token/create")
def create_public_token(request: Request) -> Reply:
    data = _data(request, "institution_id", "initial_products")
    if data["institution_id"] not in INSTITUTIONS:
        message = "invalid institution_id provided"
        raise Problem(failure(400, message, "INVALID_INPUT", "INVALID_INSTITUTION"))
    unknown = sorted(set(data["initial_products"]) - PRODUCTS)
    if unknown:
        raise Problem(failure(400, f"invalid product names: {unknown}", "INVALID_INPUT", "INVALID_PRODUCT"))
    token = f"public-sandbox-{uuid.uuid4()}"
    public_tokens[token] = data
    return _ok({"public_token": token})


@routes.on("POST", "/item/public_token/exchange")
def exchange(request: Request) -> Reply:
    token = _data(request, "public_token")["public_token"]
    if token not in public_tokens:
        message = "could not find matching public token"
        raise Problem(failure(400, message, "INVALID_INPUT", "INVALID_PUBLIC_TOKEN"))
    asked = public_tokens.pop(token)  # good for one exchange
    access = f"access-sandbox-{uuid.uuid4()}"
    items[access] = {
        "item_id": _id(),
        "institution_id": asked["institution_id"],
        "products": sorted(asked["initial_products"]),
        "accounts": [_account(*row) for row in ACCOUNTS],
        "transactions": [_id() for _ in TRANSACTIONS],
    }
    return _ok({"access_token": access, "item_id": items[access]["item_id"]})


@routes.on("POST", "/accounts/get")
def accounts(request: Request) -> Reply:
    item = _item(request)
    return _ok({"accounts": item["accounts"], "item": _shown(item)})


@routes.on("POST", "/accounts/balance/get")
def balances(request: Request) -> Reply:
    item = _item(request)
    return _ok({"accounts": item["accounts"], "item": _shown(item)})


@routes.on("POST", "/transactions/sync")
def sync(request: Request) -> Reply:
    """The cursor says how many transactions were read; an empty one starts from the beginning."""
    item, data = _item(request), request.json()
    cursor, count = data.get("cursor") or "0", data.get("count", 100)
    if not cursor.isdigit() or int(cursor) > len(TRANSACTIONS):
        raise Problem(failure(400, "cursor not associated with access_token"))
    if not 1 <= count <= 500:
        raise Problem(failure(400, "count must be between 1 and 500"))
    start, end = int(cursor), int(cursor) + count
    added = [_transaction(item, number) for number in range(start, min(end, len(TRANSACTIONS)))]
    body = {
        "accounts": item["accounts"],
        "added": added,
        "modified": [],
        "removed": [],
        "next_cursor": str(start + len(added)),
        "has_more": end < len(TRANSACTIONS),
        "transactions_update_status": "HISTORICAL_UPDATE_COMPLETE",
    }
    return _ok(body)


@routes.on("POST", "/asset_report/create")
def create_report(request: Request) -> Reply:
    data = _data(request, "access_tokens", "days_requested")
    for token in data["access_tokens"]:
        _item_of(token)
    report = f"assets-sandbox-{uuid.uuid4()}"
    reports[report] = {"asked": 0, "days": data["days_requested"], "id": str(uuid.uuid4())}
    return _ok({"asset_report_token": report, "asset_report_id": reports[report]["id"]})


@routes.on("POST", "/asset_report/pdf/get")
def report_pdf(request: Request) -> Reply:
    report = reports.get(_data(request, "asset_report_token")["asset_report_token"])
    if report is None:
        message = "could not find matching asset report token"
        raise Problem(failure(400, message, "INVALID_INPUT", "INVALID_ASSET_REPORT_TOKEN"))
    report["asked"] += 1
    if report["asked"] < 2:
        message = "the requested product is not yet ready. please provide a webhook or try the request again later"
        raise Problem(failure(400, message, "ASSET_REPORT_ERROR", "PRODUCT_NOT_READY"))
    return Reply(200, _pdf(f"Asset report {report['id']}, {report['days']} days"), {"Content-Type": "application/pdf"})


@routes.on("POST", "/item/remove")
def remove(request: Request) -> Reply:
    _item(request)
    del items[request.json()["access_token"]]
    return _ok({})


def _ok(body: dict) -> Reply:
    return json_reply(200, {**body, "request_id": _request_id()})


def _data(request: Request, *names: str) -> dict:
    data = request.json()
    missing = [name for name in names if data.get(name) in (None, "", [])]
    if missing:
        message = f"the following required fields are missing: {', '.join(missing)}"
        raise Problem(failure(400, message, code="MISSING_FIELDS"))
    return data


def _item(request: Request) -> dict:
    return _item_of(_data(request, "access_token")["access_token"])


def _item_of(token: str) -> dict:
    if token not in items:
        message = "could not find matching access token"
        raise Problem(failure(400, message, "INVALID_INPUT", "INVALID_ACCESS_TOKEN"))
    return items[token]


def _shown(item: dict) -> dict:
    fixed = {"webhook": None, "error": None, "consent_expiration_time": None, "update_type": "background"}
    products = {"available_products": sorted(PRODUCTS - set(item["products"])), "billed_products": item["products"]}
    return {"item_id": item["item_id"], "institution_id": item["institution_id"], **products, **fixed}


def _account(name, official_name, mask, kind, subtype, available, current) -> dict:
    money = {"available": available, "current": current, "limit": 2000 if kind == "credit" else None}
    return {
        "account_id": _id(),
        "balances": {**money, "iso_currency_code": "USD", "unofficial_currency_code": None},
        "mask": mask,
        "name": name,
        "official_name": official_name,
        "subtype": subtype,
        "type": kind,
    }


def _transaction(item: dict, number: int) -> dict:
    name, amount, date = TRANSACTIONS[number]
    return {
        "account_id": item["accounts"][0]["account_id"],
        "amount": amount,
        "date": date,
        "iso_currency_code": "USD",
        "name": name,
        "pending": False,
        "payment_channel": "other",
        "transaction_id": item["transactions"][number],
        "location": dict.fromkeys(LOCATION),
        "payment_meta": dict.fromkeys(PAYMENT_META),
        **dict.fromkeys(TRANSACTION_NULLS),
    }


def _pdf(title: str) -> bytes:
    """A one-page PDF, with the customary comment of high bytes that marks a file as binary."""
    text = f"BT /F1 18 Tf 72 720 Td ({title}) Tj ET".encode()
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    out, offsets = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _id() -> str:
    return secrets.token_urlsafe(28)[:37]


def _request_id() -> str:
    return secrets.token_hex(8)[:15]
