"""gRPC through grpcio: all four kinds of calls, metadata and trailers, binary ones too, compressed messages both ways, errors
with details, a deadline.

New in each run: the call identifiers and times in the messages, and metadata.
"""

import datetime
import sys
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from kit import digest, fresh_id, fresh_secret, grpc_channel, meant, refused, show

sys.path.append(str(Path(__file__).resolve().parents[1]))
messages, services = grpc.protos_and_services("fakes/orders.proto")
channel = grpc_channel("orders.example")
orders = services.OrdersStub(channel)


def place(customer: str, *items, attachment=b""):
    asked = messages.PlaceRequest(customer=customer, request_id=fresh_id(), attachment=attachment)
    asked.at.FromDatetime(datetime.datetime.now(datetime.UTC))
    for sku, count, price in items:
        asked.items.add(sku=sku, count=count, price=price)
    return asked


def told(order) -> list:
    return [order.id, order.customer, [[i.sku, i.count, i.price] for i in order.items], order.total, digest(order.attachment)]


def metadata() -> list:
    return [("authorization", f"Bearer {fresh_secret()}"), ("x-request-id", fresh_id()), ("x-trace-bin", fresh_secret().encode())]


def own(pairs) -> list:
    return [[pair.key, digest(pair.value) if pair.key.endswith("-bin") else pair.value] for pair in pairs if pair.key.startswith("x-") and pair.key != "x-understudy"]


for customer, items in (
    ("ada", [("pen", 2, 1.5)]),
    ("grace", [("ink", 1, 7.25), ("paper", 500, meant(1, 0.01, 0.02))]),
    ("ada", [("desk", 1, 249.0)]),
):
    answer, call = orders.Place.with_call(place(customer, *items), metadata=metadata(), timeout=30)
    show("placed", told(answer), own(call.initial_metadata()), own(call.trailing_metadata()), str(call.code()))
large = place("alan", ("scan", 1, 0.0), attachment=bytes(range(256)) * 1024)
show("large", told(orders.Place(large, compression=grpc.Compression.Gzip, timeout=30)))
show("got", told(orders.Get(messages.GetRequest(id=meant(2, "order-2", "order-3")), timeout=30)))
show("listed", *map(told, orders.List(messages.ListRequest(customer="ada"), timeout=30)))
show("one", *map(told, orders.List(messages.ListRequest(customer="ada", limit=1), timeout=30)))
show("none", *map(told, orders.List(messages.ListRequest(customer="nobody"), timeout=30)))
imported = orders.Import((place("bulk", (sku, 1, 2.5)) for sku in ("a", "b", "c")), timeout=30)
show("imported", imported.imported, list(imported.ids))
show("nothing imported", orders.Import(iter(()), timeout=30).imported)
asked = (messages.GetRequest(id=number) for number in ("order-1", "order-4", meant(3, "order-2", "order-7")))
show("quoted", *map(told, orders.Quote(asked, timeout=30)))

for call, kind in (
    (lambda: orders.Get(messages.GetRequest(id="order-99"), timeout=30), error_details_pb2.ResourceInfo),
    (lambda: orders.Place(place("ada"), timeout=30), error_details_pb2.BadRequest),
):
    error = refused(call, grpc.RpcError)
    detail = kind()
    rpc_status.from_call(error).details[0].Unpack(detail)
    show("refused", str(error.code()), error.details(), str(detail))
unknown = channel.unary_unary("/orders.v1.Orders/Nonsense", request_serializer=bytes, response_deserializer=bytes)
error = refused(lambda: unknown(b"", timeout=30), grpc.RpcError)
show("unknown", str(error.code()), error.details())
