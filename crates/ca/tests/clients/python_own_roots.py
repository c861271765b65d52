"""A request by `requests`, with roots that the program names itself, as Stripe's client does."""

import socket
import sys

assert "ssl" not in sys.modules, "nobody has loaded it before the program"

import certifi
import requests

socket.getaddrinfo = lambda *args, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(sys.argv[1])))]
print(requests.get("https://api.test/", verify=certifi.where()).text)
