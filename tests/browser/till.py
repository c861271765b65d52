"""A service with a till that is called otherwise in each run: till.py PORT TILL [MORE]. It asks http://stock.test for each payment, and with
MORE for the stock's level too. till.py call PORT: pays once, as soon as somebody listens there.
"""

import http.client
import http.server
import json
import sys
import time
import urllib.request


def call(port):
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/pay")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://stock.test{path}", data, {"Content-Type": "application/json"} if data else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
    except OSError as error:
        print(f"{path}: {error}", flush=True)


class Till(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        ask("/orders", {"till": sys.argv[2], "sum": 12})
        if len(sys.argv) > 3:
            ask("/level")
        data = b'{"paid": true}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if sys.argv[1] == "call":
    call(int(sys.argv[2]))
else:
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Till).serve_forever()
