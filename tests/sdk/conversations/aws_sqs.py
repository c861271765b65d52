"""SQS through boto3, which speaks its JSON protocol: a queue filled, read and emptied.

New in each run: access keys; in messages a UUID and a time stamp.
"""

import json

from kit import aws, code, fresh_id, meant, now, refused, show

sqs = aws("sqs")
queue = sqs.create_queue(QueueName="payments.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "60"})[
    "QueueUrl"
]
show("queue", queue)
show("found", sqs.get_queue_url(QueueName="payments.fifo")["QueueUrl"])
error = refused(lambda: sqs.get_queue_url(QueueName="none"), sqs.exceptions.QueueDoesNotExist)
show("missing", code(error))
url = queue


def message(number: int) -> str:
    return json.dumps({"payment": number, "amount": meant(1, 100, 101) * number, "event": fresh_id(), "at": now()})


for number in (1, 2):
    sent = sqs.send_message(
        QueueUrl=url,
        MessageBody=message(number),
        MessageGroupId="a",
        MessageDeduplicationId=fresh_id(),
        MessageAttributes={"trace": {"DataType": "String", "StringValue": fresh_id()}},
    )
    show("sent", sent["MessageId"])
entries = [
    {"Id": f"m{n}", "MessageBody": message(n), "MessageGroupId": "a", "MessageDeduplicationId": fresh_id()}
    for n in (3, 4, 5)
]
sent = sqs.send_message_batch(QueueUrl=url, Entries=entries)
show("batch", [(one["Id"], one["MessageId"]) for one in sent["Successful"]], sent.get("Failed", []))
counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
show("waiting", counts)

while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=2).get("Messages"):
    for one in messages:
        body = json.loads(one["Body"])
        show("received", one["MessageId"], body["payment"], body["amount"])
    if len(messages) == 1:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=messages[0]["ReceiptHandle"], VisibilityTimeout=30)
        sqs.delete_message(QueueUrl=url, ReceiptHandle=messages[0]["ReceiptHandle"])
    else:
        entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
        show("deleted", [one["Id"] for one in sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Successful"]])
counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
show("waiting", counts)
sqs.delete_queue(QueueUrl=url)
