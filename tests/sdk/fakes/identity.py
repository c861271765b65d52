"""A small authorization server (RFC 6749, 7523) and the API it guards, on one host.

Grants: client credentials with a secret in the header or the form, or with a signed assertion; refresh tokens. The
signatures can't be checked, since each client makes its own key; the claims are, and an assertion is good for one use.
"""

import base64
import json
import secrets
from urllib.parse import parse_qs

from web import Problem, Reply, Request, Routes, json_reply

HOST = "identity.example"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def failure(status: int, message: str) -> Reply:
    return json_reply(status, {"error": "invalid_request", "error_description": message})


routes = Routes(failure)
answer = routes.answer
tokens, refresh_tokens, used = {}, {}, set()


def _claims(token: str) -> dict:
    said = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==="))
    if said["jti"] in used or not said["iat"] < said["exp"]:
        raise Problem(failure(400, "the assertion was used before, or is too old"))
    used.add(said["jti"])
    return said


@routes.on("POST", "/oauth/token")
def token(request: Request) -> Reply:
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    grant, who, scope = form.get("grant_type"), form.get("client_id"), form.get("scope", "")
    if grant == "refresh_token":
        who, scope = refresh_tokens.pop(form["refresh_token"])
    elif grant == GRANT:
        who = _claims(form["assertion"])["sub"]
    elif form.get("client_assertion_type") == ASSERTION:
        who = _claims(form["client_assertion"])["sub"]
    elif request.headers.get("authorization", "").startswith("Basic "):
        who = base64.b64decode(request.headers["authorization"][6:]).decode().partition(":")[0]
    elif "client_secret" not in form:
        return failure(401, "who are you?")
    access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    tokens[access], refresh_tokens[refresh] = (who, scope), (who, scope)
    body = {
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": 3600,
        "refresh_token": refresh,
        "scope": scope,
    }
    return json_reply(200, body, {"Cache-Control": "no-store"})


@routes.on("POST", "/oauth/introspect")
def introspect(request: Request) -> Reply:
    token = parse_qs(request.body.decode())["token"][0]
    who, scope = tokens.get(token, (None, None))
    return json_reply(200, {"active": who is not None, "client_id": who, "scope": scope})


@routes.on("GET", "/me")
def me(request: Request) -> Reply:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token not in tokens:
        return failure(401, "this token is not known")
    return json_reply(200, dict(zip(("client", "scope"), tokens[token])))


@routes.on("GET", "/accounts/{id}")
def account(request: Request) -> Reply:
    return json_reply(200, {"account": request.params["id"], "seen_by": me(request).body.decode()})
