"""The sample's driver, which also writes down what it asks and what it is answered, as inbound exchanges: inbound_of_payment.py FILE [ARGS of
run.py]. Run at the top of the repository, behind `understudy respond`."""

import json
import sys
import time

sys.path.insert(0, "examples/payment")

import run  # noqa: E402  (it is found by the path set above)

out = open(sys.argv.pop(1), "w", encoding="utf-8")


def rfc3339(seconds: float) -> str:
    micros = int(seconds * 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(micros // 1_000_000)) + f".{micros % 1_000_000:06}Z"


def bytes_of(content: bytes) -> dict:
    try:
        return {"body": content.decode()} if content else {}
    except UnicodeDecodeError:
        import base64

        return {"body_base64": base64.b64encode(content).decode()}


def ask(self, method, path, body):
    connection = self._connection
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if data else {}
    began = time.time()
    connection.request(method, path, data, headers)
    answer = connection.getresponse()
    content = answer.read()
    ask.number += 1
    line = {
        "type": "exchange",
        "v": 1,
        "id": f"in-{ask.number}",
        "direction": "inbound",
        "time": rfc3339(began),
        "duration_us": int((time.time() - began) * 1_000_000),
        "backend": "http://payment.example",
        "protocol": "HTTP/1.1",
        "request": {
            "method": method,
            "path": path,
            "headers": [[name.lower(), value] for name, value in headers.items()],
            **bytes_of(data or b""),
        },
        "response": {
            "status": answer.status,
            "headers": [[name.lower(), value] for name, value in answer.getheaders()],
            **bytes_of(content),
        },
        "end": "complete",
    }
    print(json.dumps(line), file=out, flush=True)
    return answer.status, content


ask.number = 0
run.Service.ask = ask
sys.exit(run.main())
