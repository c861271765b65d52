"""A small fake of Google's token endpoint: an access token for a signed assertion (RFC 7523).

The service account's key is made anew by each client, so that the signature can't be checked here; the claims are.
https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

import base64
import json
import secrets
from urllib.parse import parse_qs

from web import Problem, Reply, Request, Routes, json_reply

HOST = "oauth2.googleapis.com"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def failure(status: int, message: str) -> Reply:
    return json_reply(status, {"error": "invalid_grant", "error_description": message})


routes = Routes(failure)
answer = routes.answer


def claims(token: str) -> dict:
    parts = token.split(".")
    if len(parts) != 3:
        raise Problem(failure(400, "Invalid JWT"))
    return json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))


@routes.on("POST", "/token")
def token(request: Request) -> Reply:
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    said = claims(form.get("assertion", ""))
    if form.get("grant_type") != GRANT or not 0 < said["exp"] - said["iat"] <= 3600 or "iss" not in said:
        return failure(400, "Invalid JWT: it must be a short-lived token")
    return json_reply(
        200, {"access_token": f"ya29.{secrets.token_urlsafe(40)}", "expires_in": 3599, "token_type": "Bearer"}
    )
