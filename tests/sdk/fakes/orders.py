"""A small gRPC backend by grpcio: orders.proto. It compresses what it answers to who takes that, and says more of errors in
`grpc-status-details-bin` (https://google.aip.dev/193).
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

HOST = "orders.example"
messages, services = grpc.protos_and_services("fakes/orders.proto")


def start() -> int:
    """Gives the port."""
    server = grpc.server(ThreadPoolExecutor(4), compression=grpc.Compression.Gzip)
    services.add_OrdersServicer_to_server(Orders(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    start.server = server  # it stops when nothing holds it any more
    return port


def refuse(context, code: int, message: str, detail):
    """Ends the call with a status that has details."""
    packed = any_pb2.Any()
    packed.Pack(detail)
    context.abort_with_status(rpc_status.to_status(status_pb2.Status(code=code, message=message, details=[packed])))


class Orders(services.OrdersServicer):
    def __init__(self):
        self.orders = {}

    def _place(self, asked):
        number = f"order-{len(self.orders) + 1}"
        total = sum(item.count * item.price for item in asked.items)
        order = messages.Order(
            id=number, customer=asked.customer, items=asked.items, total=total, attachment=asked.attachment
        )
        self.orders[number] = order
        return order

    def _get(self, number: str, context):
        if number not in self.orders:
            info = error_details_pb2.ResourceInfo(resource_type="order", resource_name=number)
            refuse(context, code_pb2.NOT_FOUND, f"no order {number} – ever", info)
        return self.orders[number]

    def Place(self, request, context):
        if not request.items:
            fault = error_details_pb2.BadRequest.FieldViolation(field="items", description="there are none")
            refuse(context, code_pb2.INVALID_ARGUMENT, "bad request", error_details_pb2.BadRequest(field_violations=[fault]))
        order = self._place(request)
        context.send_initial_metadata((("x-served-by", "orders-1"), ("x-served-bin", b"\x00\xff")))
        digest = hashlib.sha256(order.SerializeToString(deterministic=True)).digest()
        context.set_trailing_metadata((("x-order", order.id), ("x-digest-bin", digest)))
        return order

    def Get(self, request, context):
        return self._get(request.id, context)

    def List(self, request, context):
        found = [order for order in self.orders.values() if order.customer == request.customer]
        yield from found[: request.limit or None]

    def Import(self, request_iterator, context):
        ids = [self._place(asked).id for asked in request_iterator]
        return messages.ImportResponse(imported=len(ids), ids=ids)

    def Quote(self, request_iterator, context):
        for asked in request_iterator:
            yield self._get(asked.id, context)
