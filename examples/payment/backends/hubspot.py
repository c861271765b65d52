"""A small fake of HubSpot's CRM API: contacts, deals and associations (v3 and v4), in memory.

Status codes and error bodies follow https://developers.hubspot.com/docs/api/error-handling. It keeps what it is given and
checks it; it does not limit rates, know custom objects, or remember archived records.
"""

import datetime
import itertools
import re
import uuid

from web import Problem, Reply, Request, Routes, json_reply

HOST = "api.hubapi.com"
TYPES = {"contacts": "0-1", "deals": "0-3"}
LIMIT = 100


def failure(status: int, message: str, category: str | None = None) -> Reply:
    known = {400: "VALIDATION_ERROR", 401: "INVALID_AUTHENTICATION", 404: "OBJECT_NOT_FOUND", 409: "CONFLICT"}
    body = {"status": "error", "message": message, "correlationId": str(uuid.uuid4())}
    return json_reply(status, {**body, "category": category or known.get(status, "API_ERROR")})


routes = Routes(failure)
records = {kind: {} for kind in TYPES}  # kind -> id -> record
associations = {}  # (kind, id, kind, id) -> association types
_ids = itertools.count(101)


def answer(request: Request) -> Reply:
    if not re.fullmatch(r"Bearer \S+", request.headers.get("authorization", "")):
        return failure(401, "Authentication credentials not found.")
    return routes.answer(request)


@routes.on("POST", "/crm/v3/objects/{kind}")
def create(request: Request) -> Reply:
    kind = _kind(request.params["kind"])
    properties = _properties(request)
    _check(kind, properties, None)
    now, id = _now(), str(next(_ids))
    stamps = {"createdate": now, "lastmodifieddate": now, "hs_object_id": id}
    record = {"id": id, "properties": {**properties, **stamps}, "createdAt": now, "updatedAt": now, "archived": False}
    records[kind][id] = record
    return json_reply(201, record)


@routes.on("GET", "/crm/v3/objects/{kind}")
def page(request: Request) -> Reply:
    kind = _kind(request.params["kind"])
    return json_reply(200, _page(list(records[kind].values()), request.query, _wanted(request), kind))


@routes.on("POST", "/crm/v3/objects/{kind}/search")
def search(request: Request) -> Reply:
    kind, question = _kind(request.params["kind"]), request.json()
    groups = question.get("filterGroups") or []
    found = [
        record
        for record in records[kind].values()
        if not groups or any(all(_passes(record, term) for term in group["filters"]) for group in groups)
    ]
    body = _page(found, question, question.get("properties") or [], kind)
    return json_reply(200, {"total": len(found), **body})


@routes.on("GET", "/crm/v3/objects/{kind}/{id}")
def show(request: Request) -> Reply:
    return json_reply(200, _shown(_find(request), _wanted(request)))


@routes.on("PATCH", "/crm/v3/objects/{kind}/{id}")
def change(request: Request) -> Reply:
    record, properties = _find(request), _properties(request)
    _check(request.params["kind"], properties, record["id"])
    record["updatedAt"] = _now()
    record["properties"] |= {**properties, "lastmodifieddate": record["updatedAt"]}
    return json_reply(200, record)


@routes.on("DELETE", "/crm/v3/objects/{kind}/{id}")
def archive(request: Request) -> Reply:
    """Answers 204 even if nothing is there to archive, as HubSpot does."""
    records[_kind(request.params["kind"])].pop(request.params["id"], None)
    return Reply(204)


@routes.on("PUT", "/crm/v4/objects/{kind}/{id}/associations/{to_kind}/{to_id}")
def associate(request: Request) -> Reply:
    left, right = _find(request), _find(request, "to_")
    specs = request.json()
    for spec in specs:
        if spec.get("associationCategory") not in ("HUBSPOT_DEFINED", "USER_DEFINED", "INTEGRATOR_DEFINED"):
            raise ValueError("associationCategory is not valid")
    kind, to_kind = request.params["kind"], request.params["to_kind"]
    associations[kind, left["id"], to_kind, right["id"]] = [spec["associationTypeId"] for spec in specs]
    body = {
        "fromObjectTypeId": TYPES[kind],
        "fromObjectId": left["id"],
        "toObjectTypeId": TYPES[to_kind],
        "toObjectId": right["id"],
        "labels": [],
    }
    return json_reply(201, body)


def _kind(name: str) -> str:
    if name not in TYPES:
        raise Problem(failure(400, f"Unable to infer object type from: {name}"))
    return name


def _find(request: Request, prefix: str = "") -> dict:
    kind = _kind(request.params[prefix + "kind"])
    record = records[kind].get(request.params[prefix + "id"])
    if record is None:
        raise Problem(failure(404, "resource not found"))
    return record


def _properties(request: Request) -> dict:
    properties = request.json().get("properties")
    if not isinstance(properties, dict) or not all(isinstance(value, str) for value in properties.values()):
        raise ValueError("Invalid input JSON: properties must be an object of strings")
    return properties


def _check(kind: str, properties: dict, own_id: str | None):
    email = properties.get("email")
    if kind != "contacts" or email is None:
        return
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        detail = f'{{"isValid":false,"message":"Email address {email} is invalid","name":"email"}}'
        raise Problem(failure(400, f"Property values were not valid: [{detail}]"))
    for record in records[kind].values():
        if record["properties"].get("email") == email and record["id"] != own_id:
            raise Problem(failure(409, f"Contact already exists. Existing ID: {record['id']}"))


def _passes(record: dict, term: dict) -> bool:
    value = record["properties"].get(term["propertyName"])
    tests = {
        "EQ": lambda: value == term.get("value"),
        "NEQ": lambda: value != term.get("value"),
        "HAS_PROPERTY": lambda: value is not None,
        "CONTAINS_TOKEN": lambda: value is not None and term.get("value", "").strip("*") in value,
    }
    if term.get("operator") not in tests:
        raise ValueError(f"operator {term.get('operator')} is not supported")
    return tests[term["operator"]]()


def _wanted(request: Request) -> list:
    """HubSpot takes `properties=a,b` and `properties=a&properties=b`."""
    return [name for key, value in request.pairs if key == "properties" for name in value.split(",") if name]


def _page(found: list, question: dict, wanted: list, kind: str) -> dict:
    limit, after = int(question.get("limit") or 10), question.get("after")
    if not 1 <= limit <= LIMIT:
        raise ValueError(f"limit must be between 1 and {LIMIT}")
    rest = [record for record in found if after is None or int(record["id"]) > int(after)]
    body = {"results": [_shown(record, wanted) for record in rest[:limit]]}
    if len(rest) > limit:
        last = rest[limit - 1]["id"]
        link = f"https://{HOST}/crm/v3/objects/{kind}?after={last}&limit={limit}"
        body["paging"] = {"next": {"after": last, "link": link}}
    return body


def _shown(record: dict, wanted: list) -> dict:
    """The object with the requested properties and those that HubSpot always sends."""
    names = {*wanted, "createdate", "lastmodifieddate", "hs_object_id"}
    return {**record, "properties": {name: value for name, value in record["properties"].items() if name in names}}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
