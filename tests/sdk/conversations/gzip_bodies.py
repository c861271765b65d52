"""JSON sent compressed, through `requests`: gzip, which writes the time into the bytes, and deflate.

New in each run: the compressed bytes, the API key; in some of the events a UUID and a time. `Accept-Encoding` differs
in places.
"""

import gzip
import json
import time
import zlib

import requests
from kit import fresh_id, fresh_secret, meant, now, show

session = requests.Session()
session.headers["X-Api-Key"] = fresh_secret()
URL = "https://events.example"


def send(stream: str, events: list, encoding: str, **headers):
    body = json.dumps({"stream": stream, "events": events}).encode()
    body = gzip.compress(body, mtime=time.time()) if encoding == "gzip" else zlib.compress(body)
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json", **headers}
    answer = session.post(f"{URL}/events", data=body, headers=headers, timeout=30)
    show("sent", encoding, answer.status_code, answer.json())


for encoding in ("gzip", "deflate"):
    send("fixed", [{"kind": "start"}], encoding)
    send("fixed", [{"kind": "stop"}, {"kind": "end"}], encoding)
    send("live", [{"kind": meant(1, "click", "drag"), "id": fresh_id(), "at": now()}], encoding)
send("fixed", [{"kind": "plain"}], "gzip", **{"Accept-Encoding": "identity"})
send("large", [{"kind": "row", "number": number} for number in range(5000)], "gzip")
for name in ("live", "fixed", "large"):
    show("count", name, session.get(f"{URL}/streams/{name}", timeout=30).json())
