"""JWTs as credentials (RFC 7523): as a client's assertion and as a grant, signed with google-auth's RSA signer, sent by
`requests`.

New in each run: the key and its identifier, and in each token `iat`, `exp` and `jti`. What an assertion says of who and
for whom stays.
"""

import time

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt
from kit import fresh_id, meant, secret, show

URL = "https://identity.example"
private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
signer = crypt.RSASigner.from_string(private, key_id=fresh_id())


def assertion(subject: str) -> str:
    issued = int(time.time())
    claims = {
        "iss": "backend",
        "sub": subject,
        "aud": f"{URL}/oauth/token",
        "iat": issued,
        "exp": issued + 300,
        "jti": fresh_id(),
    }
    return jwt.encode(signer, claims).decode()


def token(**form) -> dict:
    answer = requests.post(f"{URL}/oauth/token", data=form, timeout=30)
    answer.raise_for_status()
    return answer.json()


given = []
for subject in ("shop", meant(1, "billing", "returns")):
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    given.append(
        token(
            grant_type="client_credentials",
            scope="read",
            client_assertion_type=kind,
            client_assertion=assertion(subject),
        )
    )
for subject in ("ada@example.com", meant(2, "grace@example.com", "eve@example.com")):
    given.append(token(grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer", assertion=assertion(subject)))
show("tokens", [secret(one["access_token"]) for one in given])
for one in given:
    headers = {"Authorization": f"Bearer {one['access_token']}"}
    show("me", requests.get(f"{URL}/me", headers=headers, timeout=30).json())
# A token of our own in place of an issued one; the API doesn't take it.
headers = {"Authorization": f"Bearer {assertion('shop')}"}
show("own", requests.get(f"{URL}/me", headers=headers, timeout=30).status_code)
