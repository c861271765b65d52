"""A client of shop.py at an address: shopper.py HOST:PORT. Sends back what it is given. Waits until somebody listens."""

import http.client
import json
import re
import sys
import time

connection = http.client.HTTPConnection(sys.argv[1], timeout=30)


def ask(method, path, body=None, **headers):
    data = body if isinstance(body, str) else json.dumps(body) if body is not None else None
    connection.request(method, path, data, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read().decode()
    return answer.status, content


deadline = time.time() + 30
while ask("GET", "/ready")[0] != 200 and time.time() < deadline:
    time.sleep(0.02)
ticket = json.loads(ask("POST", "/enter", {"name": "ada"})[1])["ticket"]
order = json.loads(ask("POST", "/orders", {"item": "hat"}, X_Shop_Ticket=ticket)[1])["id"]
assert ask("GET", f"/orders/{order}", X_Shop_Ticket=ticket)[0] == 200
assert ask("GET", "/orders/none", X_Shop_Ticket=ticket)[0] == 404
form = re.search('value="(.*?)"', ask("GET", "/page")[1])[1]
kind = "application/x-www-form-urlencoded"
assert ask("POST", "/send", f"form={form}&text=hi", Content_Type=kind)[0] == 200
print("shopped", flush=True)
