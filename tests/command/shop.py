"""A service that makes tokens and identifiers of its own: shop.py PORT [WHAT]. Ends with its process group.

WHAT: late (listens after half a second), never (never listens), ends (ends at once), unready (/ready is answered with 503).
"""

import http.server
import json
import secrets
import sys
import time
import uuid
from urllib.parse import parse_qs, urlsplit

what = sys.argv[2] if len(sys.argv) > 2 else ""
tokens, orders, forms, visits = set(), {}, set(), []


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, body, kind="application/json", **headers):
        data = json.dumps(body).encode() if kind == "application/json" else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def allowed(self):
        return self.headers.get("X-Shop-Ticket") in tokens

    def do_GET(self):
        path = urlsplit(self.path).path
        if path == "/ready":
            return self.reply(503 if what == "unready" else 200, {})
        if path == "/page":
            form = secrets.token_hex(12)
            forms.add(form)
            return self.reply(200, f'<form>\n<input name="form" value="{form}">\n</form>', "text/html")
        if not self.allowed():
            return self.reply(401, {"error": "no ticket"})
        order = orders.get(path.removeprefix("/orders/"))
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return self.reply(200, {**order, "asked": now}) if order else self.reply(404, {"error": "no such order"})

    def do_POST(self):
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if url.path == "/enter":
            ticket = uuid.uuid4().hex
            tokens.add(ticket)
            print("somebody entered", flush=True)
            return self.reply(200, {"ticket": ticket, "hello": json.loads(body)["name"]})
        if url.path == "/send":
            known = parse_qs(body.decode()).get("form", [""])[0] in forms
            return self.reply(200 if known else 403, {"sent": known})
        if not self.allowed():
            return self.reply(401, {"error": "no ticket"})
        order = {"id": "o-" + secrets.token_hex(6), "trace": str(uuid.uuid4()), **json.loads(body)}
        orders[order["id"]] = order
        return self.reply(201, order, Location=f"/orders/{order['id']}")

    def log_message(self, *_):
        pass


if what == "ends":
    print("no database", flush=True)
    sys.exit(7)
if what == "never":
    time.sleep(3600)
if what == "late":
    time.sleep(0.5)
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Shop)
server.daemon_threads = True
server.serve_forever()
