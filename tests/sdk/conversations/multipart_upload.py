"""Uploads as multipart/form-data through `requests`: text, binary, several files in one request.

New in each run: the boundaries, the bearer token, and in one of the uploads a field with a UUID. What tells two uploads
apart may be nothing but the content of a file.
"""

import requests
from kit import fresh_id, fresh_secret, meant, show

session = requests.Session()
session.headers["Authorization"] = f"Bearer {fresh_secret()}"
URL = "https://documents.example/documents"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8


def upload(files, **fields) -> dict:
    answer = session.post(URL, data=fields, files=files, timeout=30)
    answer.raise_for_status()
    show("taken", answer.json())
    return answer.json()


made = [upload({"file": ("note.txt", f"note {number}\r\n", "text/plain")}, kind="note") for number in (1, 2)]
made.append(upload({"file": ("picture.png", PICTURE, "image/png")}, kind="picture"))
made.append(upload({"file": ("picture.png", PICTURE + meant(1, b"!", b"?"), "image/png")}, kind="picture"))
for kind in ("invoice", meant(2, "receipt", "refund")):
    made.append(upload({"file": ("a.csv", "a;b\r\n1;2\r\n", "text/csv")}, kind=kind, correlation=fresh_id()))
made.append(
    upload([("pages", ("1.txt", "page one")), ("pages", ("2.txt", "page two")), ("cover", ("c.txt", "c"))], kind="book")
)
for one in reversed(made):
    show("given", session.get(f"{URL}/{one['id']}", timeout=30).json()["sha256"])
