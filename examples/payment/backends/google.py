"""A small fake of Google's API Discovery Service: the list of APIs, and the service's description of itself.

Answers are compressed where the client takes gzip, and carry an entity tag; `If-None-Match` gets 304. It has no other API's
description. https://developers.google.com/discovery/v1/reference
"""

import gzip
import hashlib
import json

from web import Problem, Reply, Request, Routes, json_reply

HOST = "discovery.googleapis.com"
APIS = (  # name, version, title, preferred
    ("calendar", "v3", "Calendar API", True),
    ("discovery", "v1", "API Discovery Service", True),
    ("drive", "v2", "Google Drive API", False),
    ("drive", "v3", "Google Drive API", True),
    ("gmail", "v1", "Gmail API", True),
    ("oauth2", "v2", "Google OAuth2 API", True),
    ("people", "v1", "People API", True),
    ("pubsub", "v1", "Cloud Pub/Sub API", True),
    ("sheets", "v4", "Google Sheets API", True),
    ("storage", "v1", "Cloud Storage JSON API", True),
    ("translate", "v2", "Cloud Translation API", False),
    ("translate", "v3", "Cloud Translation API", True),
)


def failure(status: int, message: str) -> Reply:
    reason = {400: "invalidParameter", 404: "notFound", 405: "httpMethodNotAllowed"}.get(status, "backendError")
    detail = {"message": message, "domain": "global", "reason": reason}
    return json_reply(status, {"error": {"code": status, "message": message, "errors": [detail]}})


routes = Routes(failure)
answer = routes.answer


@routes.on("GET", "/discovery/v1/apis")
def list_apis(request: Request) -> Reply:
    name, preferred = request.query.get("name"), request.query.get("preferred", "false")
    if preferred not in ("true", "false"):
        raise ValueError(f"Invalid value '{preferred}' for preferred.")
    items = [_entry(*row) for row in APIS if (name is None or row[0] == name) and (preferred == "false" or row[3])]
    body = {"kind": "discovery#directoryList", "discoveryVersion": "v1"}
    return _tagged(request, {**body, "items": items} if items else body)


@routes.on("GET", "/discovery/v1/apis/{name}/{version}/rest")
def describe(request: Request) -> Reply:
    name, version = request.params["name"], request.params["version"]
    if (name, version) != ("discovery", "v1"):
        known = any(row[:2] == (name, version) for row in APIS)
        raise Problem(failure(501 if known else 404, f"no description of {name}:{version} here"))
    return _tagged(request, _description())


def _tagged(request: Request, body: dict) -> Reply:
    digest = hashlib.sha1(json.dumps(body, sort_keys=True).encode()).hexdigest()[:27]
    body = {**body, "etag": f'"{digest}"'}
    headers = {"ETag": body["etag"], "Vary": "Origin, X-Origin, Referer, Accept-Encoding"}
    if request.headers.get("if-none-match") == body["etag"]:
        return Reply(304, b"", headers)
    reply = json_reply(200, body, headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        reply.body = gzip.compress(reply.body, mtime=0)
        reply.headers["Content-Encoding"] = "gzip"
    return reply


def _entry(name: str, version: str, title: str, preferred: bool) -> dict:
    return {
        "kind": "discovery#directoryItem",
        "id": f"{name}:{version}",
        "name": name,
        "version": version,
        "title": title,
        "discoveryRestUrl": f"https://{HOST}/discovery/v1/apis/{name}/{version}/rest",
        "preferred": preferred,
    }


def _description() -> dict:
    """The real service's description, without the fields of its response schemas."""
    text = {"type": "string"}
    path = {"location": "path", "required": True, **text}
    rest = {
        "id": "discovery.apis.getRest",
        "path": "apis/{api}/{version}/rest",
        "httpMethod": "GET",
        "description": "Retrieve the description of a particular version of an api.",
        "parameters": {"api": path, "version": path},
        "parameterOrder": ["api", "version"],
        "response": {"$ref": "RestDescription"},
    }
    listing = {
        "id": "discovery.apis.list",
        "path": "apis",
        "httpMethod": "GET",
        "description": "Retrieve the list of APIs supported at this endpoint.",
        "parameters": {
            "name": {"location": "query", **text},
            "preferred": {"location": "query", "type": "boolean", "default": "false"},
        },
        "response": {"$ref": "DirectoryList"},
    }
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": "discovery:v1",
        "name": "discovery",
        "version": "v1",
        "title": "API Discovery Service",
        "description": "Provides information about other Google APIs, such as what APIs are available.",
        "protocol": "rest",
        "rootUrl": "https://www.googleapis.com/",
        "servicePath": "discovery/v1/",
        "basePath": "/discovery/v1/",
        "baseUrl": "https://www.googleapis.com/discovery/v1/",
        "batchPath": "batch/discovery/v1",
        "parameters": {
            "alt": {"location": "query", "default": "json", "enum": ["json"], **text},
            "fields": {"location": "query", **text},
            "prettyPrint": {"location": "query", "type": "boolean", "default": "true"},
        },
        "schemas": {
            "DirectoryList": {"id": "DirectoryList", "type": "object", "properties": {}},
            "RestDescription": {"id": "RestDescription", "type": "object", "properties": {}},
        },
        "resources": {"apis": {"methods": {"getRest": rest, "list": listing}}},
    }
