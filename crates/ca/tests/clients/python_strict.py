"""A handshake as Python 3.13 makes it by default: VERIFY_X509_STRICT. Says the version and the protocol."""

import socket
import ssl
import sys

context = ssl.create_default_context()
context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
context.set_alpn_protocols(["h2", "http/1.1"])
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as plain:
    with context.wrap_socket(plain, server_hostname="api.test") as tls:
        print(tls.version(), tls.selected_alpn_protocol())
