"""Pays with the card, and asks with the credentials, that its arguments name, and prints the status of each answer. The second request has
what the first answer issued, as an SDK would do it."""

import json
import sys
import urllib.error
import urllib.request

card, credentials = sys.argv[1:]


def ask(path, body, content_type):
    headers = {"Authorization": f"Bearer {credentials}", "Cookie": f"sid={credentials}", "Content-Type": content_type}
    request = urllib.request.Request(f"http://api.test{path}", body.encode(), headers)
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    print(answer.status, flush=True)
    return answer.read().decode()


first = ask("/pay", f"card[number]={card}&client_secret=s3cr3t-of-the-client", "application/x-www-form-urlencoded")
issued = json.loads(first).get("access_token", "")
ask("/items?access_token=" + issued, json.dumps({"access_token": issued, "limit": 10}), "application/json")
