"""OAuth 2.0 by hand, with `requests`: client credentials in the header and in the form, a refresh, calls with the
issued tokens.

New in each run: the clients' secrets, a state. Access and refresh tokens are the server's, and come back to it.
"""

import requests
from kit import fresh_id, fresh_secret, meant, secret, show

URL = "https://identity.example"
session = requests.Session()


def token(auth=None, **form) -> dict:
    answer = session.post(f"{URL}/oauth/token", data=form, auth=auth, timeout=30)
    answer.raise_for_status()
    return answer.json()


def me(given: dict):
    headers = {"Authorization": f"Bearer {given['access_token']}"}
    return session.get(f"{URL}/me", headers=headers, timeout=30).json()


grant = {"grant_type": "client_credentials"}
billing = token(("billing", fresh_secret()), **grant, scope="pay")
shop = token(**grant, client_id="shop", client_secret=fresh_secret(), scope="read")
report = token(
    **grant, client_id="report", client_secret=fresh_secret(), scope=meant(1, "read", "write"), state=fresh_id()
)
show("tokens", *(secret(one["access_token"]) for one in (billing, shop, report)))
# One path, and nothing but the token says who asks.
for given in (billing, shop, report):
    show("me", me(given))
renewed = token(grant_type="refresh_token", refresh_token=shop["refresh_token"], client_secret=fresh_secret())
show("renewed", secret(renewed["access_token"]), me(renewed))
for given in (report, billing):
    asked = session.post(f"{URL}/oauth/introspect", data={"token": given["access_token"]}, timeout=30)
    show("introspected", asked.json())
for account in ("4711", "0815"):
    headers = {"Authorization": f"Bearer {renewed['access_token']}"}
    show("account", session.get(f"{URL}/accounts/{account}", headers=headers, timeout=30).json())
show("unknown", session.get(f"{URL}/me", headers={"Authorization": "Bearer none"}, timeout=30).status_code)
