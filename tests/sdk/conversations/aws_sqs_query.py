"""SQS over its older query protocol, a form with `Action=`, as SDKs of before 2024 speak it; signed by botocore, sent
by `requests`.

New in each run: access keys; in messages a UUID and a time stamp.
"""

import xml.etree.ElementTree as xml
from urllib.parse import urlencode

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from kit import REGION, fresh_id, fresh_secret, host, meant, now, show

session = requests.Session()
signer = SigV4Auth(Credentials(f"AKIA{fresh_secret()[:16].upper()}", fresh_secret()), "sqs", REGION)
root = f"https://{host('sqs')}/"


def ask(action: str, **parameters) -> xml.Element:
    body = urlencode({"Action": action, "Version": "2012-11-05", **parameters})
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    request = AWSRequest("POST", root, headers, body)
    signer.add_auth(request)
    answer = session.post(root, data=body, headers=dict(request.headers), timeout=30)
    return xml.fromstring(answer.content)


def texts(answer: xml.Element, name: str) -> list:
    return [one.text for one in answer.iter() if one.tag.rpartition("}")[2] == name]


queue = texts(ask("CreateQueue", QueueName="orders"), "QueueUrl")[0]
show("queue", queue)
for number in (1, 2, 3):
    body = f"{meant(1, 'order', 'offer')} {number} {fresh_id()} {now()}"
    show("sent", texts(ask("SendMessage", QueueUrl=queue, MessageBody=body), "MessageId"))
batch = {
    f"SendMessageBatchRequestEntry.{n}.{k}": v for n in (1, 2) for k, v in (("Id", f"e{n}"), ("MessageBody", f"b {n}"))
}
show("batch", texts(ask("SendMessageBatch", QueueUrl=queue, **batch), "MessageId"))
while True:
    got = ask("ReceiveMessage", QueueUrl=queue, MaxNumberOfMessages="1", VisibilityTimeout="60")
    handles = texts(got, "ReceiptHandle")
    if not handles:
        break
    show("received", texts(got, "MessageId"), [body.split()[:2] for body in texts(got, "Body")])
    ask("DeleteMessage", QueueUrl=queue, ReceiptHandle=handles[0])
show("missing", texts(ask("GetQueueUrl", QueueName="none"), "Code"))
ask("DeleteQueue", QueueUrl=queue)
