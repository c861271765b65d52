"""A small fake of Google Pub/Sub, by grpcio: topics, subscriptions, messages published, pulled and acknowledged.
https://cloud.google.com/pubsub/docs/reference/rpc
"""

import datetime
import itertools

import grpc
from google.protobuf import empty_pb2
from google.pubsub_v1 import types

from .grpc_server import serve, unary

HOST = "pubsub.googleapis.com"


class PubSub:
    def __init__(self):
        self.topics, self.queues, self.sources = {}, {}, {}
        self.numbers, self.leased = itertools.count(10_001), {}

    def create_topic(self, request, context):
        if request.name in self.topics:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, f"Resource already exists in the project (resource={request.name}).")
        self.topics[request.name] = request
        return request

    def create_subscription(self, request, context):
        self._topic(request.topic, context)
        self.sources[request.name], self.queues[request.name] = request.topic, []
        return request

    def list_topics(self, request, context):
        names, start = sorted(self.topics), int(request.page_token or 0)
        end = start + (request.page_size or 100)
        token = str(end) if end < len(names) else ""
        return types.ListTopicsResponse(topics=[self.topics[name] for name in names[start:end]], next_page_token=token)

    def publish(self, request, context):
        self._topic(request.topic, context)
        ids = []
        for message in request.messages:
            message.message_id = str(next(self.numbers))
            message.publish_time = datetime.datetime.now(datetime.UTC)
            ids.append(message.message_id)
            for name, topic in self.sources.items():
                if topic == request.topic:
                    self.queues[name].append(message)
        return types.PublishResponse(message_ids=ids)

    def pull(self, request, context):
        queue = self.queues[request.subscription]
        taken, queue[:] = queue[: request.max_messages], queue[request.max_messages :]
        received = [types.ReceivedMessage(ack_id=f"ack-{next(self.numbers)}", message=message) for message in taken]
        self.leased |= {one.ack_id: one for one in received}
        return types.PullResponse(received_messages=received)

    def acknowledge(self, request, context):
        for id in request.ack_ids:
            self.leased.pop(id, None)
        return empty_pb2.Empty()

    def _topic(self, name: str, context):
        if name not in self.topics:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={name}).")


def start() -> int:
    """Gives the port."""
    own = PubSub()
    return serve(
        {
            "google.pubsub.v1.Publisher": {
                "CreateTopic": unary(own.create_topic, types.Topic, types.Topic),
                "ListTopics": unary(own.list_topics, types.ListTopicsRequest, types.ListTopicsResponse),
                "Publish": unary(own.publish, types.PublishRequest, types.PublishResponse),
            },
            "google.pubsub.v1.Subscriber": {
                "CreateSubscription": unary(own.create_subscription, types.Subscription, types.Subscription),
                "Pull": unary(own.pull, types.PullRequest, types.PullResponse),
                "Acknowledge": unary(own.acknowledge, types.AcknowledgeRequest, empty_pb2.Empty),
            },
        }
    )
