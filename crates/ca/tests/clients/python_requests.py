"""A request by `requests`, to a name that leads here."""

import socket
import sys

import requests

socket.getaddrinfo = lambda *args, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(sys.argv[1])))]
print(requests.get("https://api.test/").text)
