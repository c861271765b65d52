"""Makes the requests that its arguments name, one an argument (`METHOD URL [BODY]`), and prints status and body of each answer.

It takes its proxy from the environment, as most clients do.
"""

import sys
import urllib.error
import urllib.request

for argument in sys.argv[1:]:
    method, url, *body = argument.split(" ", 2)
    request = urllib.request.Request(url, method=method, data=body[0].encode() if body else None)
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    print(answer.status, answer.read().decode(), flush=True)
