"""Google Pub/Sub through its client, which speaks gRPC: topics made and listed in pages, messages published, pulled,
acknowledged.

New in each run: the access token; in messages a UUID and a time stamp.

protobuf's implementation for Python shuffles the entries of maps, in another way in each process.
"""

import json

from google.api_core.exceptions import AlreadyExists, NotFound
from google.cloud import pubsub_v1
from google.oauth2.credentials import Credentials
from kit import fresh_id, fresh_secret, meant, now, refused, show

credentials = Credentials(token=f"ya29.{fresh_secret()}")
# Each message goes alone: what goes together would be decided by the clock.
publisher = pubsub_v1.PublisherClient(pubsub_v1.types.BatchSettings(max_messages=1), credentials=credentials)
subscriber = pubsub_v1.SubscriberClient(credentials=credentials)
project = "projects/shop"
topic, subscription = publisher.topic_path("shop", "orders"), subscriber.subscription_path("shop", "billing")

for name in ("orders", "refunds", meant(1, "visits", "clicks")):
    show("topic", publisher.create_topic(name=publisher.topic_path("shop", name)).name)
show("refused", refused(lambda: publisher.create_topic(name=topic), AlreadyExists).message)
pages = publisher.list_topics(request={"project": project, "page_size": 2}).pages
show("listed", *([one.name for one in page.topics] for page in pages))
made = subscriber.create_subscription(request={"name": subscription, "topic": topic, "ack_deadline_seconds": 30})
show("subscription", made.name, made.ack_deadline_seconds)
nowhere = {"name": subscription, "topic": publisher.topic_path("shop", "none")}
show("missing", refused(lambda: subscriber.create_subscription(request=nowhere), NotFound).message)


def order(number: int) -> dict:
    text = json.dumps({"order": number, "amount": meant(2, 10, 11) * number, "event": fresh_id(), "at": now()})
    return {"data": text.encode(), "kind": "order", "trace": fresh_id()}


for number in range(1, 7):
    show("published", publisher.publish(topic, **order(number)).result(30))
while True:
    pulled = subscriber.pull(request={"subscription": subscription, "max_messages": 4}, timeout=30).received_messages
    if not pulled:
        break
    for one in pulled:
        body = json.loads(one.message.data)
        show("pulled", one.message.message_id, body["order"], body["amount"], one.message.attributes["kind"])
    subscriber.acknowledge(request={"subscription": subscription, "ack_ids": [one.ack_id for one in pulled]})
publisher.stop()
subscriber.close()
