"""A service: `service.py PORT`. A request for /PATH becomes a call of http://api.test/PATH, which carries the trace context; what comes
back goes back. Ends when its stdin does.
"""

import http.server
import sys
import threading
import urllib.request


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        context = {"traceparent": self.headers["traceparent"]} if self.headers["traceparent"] else {}
        call = urllib.request.Request("http://api.test" + self.path, headers=context)
        with urllib.request.urlopen(call) as answer:
            body = b"the service says: " + answer.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
