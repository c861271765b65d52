"""Google through google-auth and its API client: a service account's assertion for an access token, then calls with
that token. In the background google-auth asks once where the account may be used.

New in each run: the service account's RSA key and its identifier, and with them and the clock the assertions. The
access tokens are the token endpoint's, and come back in the calls' Authorization.
"""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import service_account
from googleapiclient import discovery
from kit import background_ended, fresh_secret, meant, secret, show

SCOPE = "https://www.googleapis.com/auth/"
private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


def account(name: str, *scopes: str) -> service_account.Credentials:
    info = {
        "type": "service_account",
        "client_email": f"{name}@project.iam.gserviceaccount.com",
        "private_key": private.decode(),
        "private_key_id": fresh_secret(),
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return service_account.Credentials.from_service_account_info(info, scopes=[SCOPE + scope for scope in scopes])


# The assertions differ in what they ask for; so do the tokens.
tokens = {}
for name, scopes in (
    ("reader", ["drive.readonly"]),
    (meant(1, "writer", "editor"), [meant(2, "drive", "drive.file")]),
    ("reader", ["calendar"]),
):
    credentials = account(name, *scopes)
    credentials.refresh(Request())
    tokens[name, *scopes] = credentials.token
    show("token", name, scopes, secret(credentials.token))
assert len(set(tokens.values())) == 3

session = AuthorizedSession(account("reader", "drive.readonly"))
root = "https://discovery.googleapis.com/discovery/v1/"
service = discovery.build(
    "discovery",
    "v1",
    discoveryServiceUrl=root + "apis/{api}/{apiVersion}/rest",
    client_options={"api_endpoint": root},
    credentials=session.credentials,
    cache_discovery=False,
)
show("used", secret(session.credentials.token))
for arguments in ({"name": "drive"}, {"name": "drive", "preferred": True}, {"name": "nothing"}):
    show("apis", [one["id"] for one in service.apis().list(**arguments).execute().get("items", [])])
whole = session.get(root + "apis", timeout=30)
again = session.get(root + "apis", headers={"If-None-Match": whole.headers["ETag"]}, timeout=30)
show("whole", len(whole.json()["items"]), again.status_code)
background_ended()
