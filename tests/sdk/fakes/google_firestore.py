"""A small fake of Google Firestore, by grpcio: documents written, read in one stream, and queried by equality, order and
limit. https://cloud.google.com/firestore/docs/reference/rpc
"""

import datetime
import itertools

from google.cloud.firestore_v1 import types
from google.protobuf import empty_pb2

from .grpc_server import serve, stream, unary

HOST = "firestore.googleapis.com"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Firestore:
    def __init__(self):
        self.documents, self.transactions = {}, itertools.count(1)

    def commit(self, request, context):
        return types.CommitResponse(write_results=[self._write(one) for one in request.writes], commit_time=_now())

    def begin(self, request, context):
        return types.BeginTransactionResponse(transaction=f"transaction {next(self.transactions)}".encode())

    def rollback(self, request, context):
        return empty_pb2.Empty()

    def batch_get(self, request, context):
        for name in request.documents:
            found = {"found": self.documents[name]} if name in self.documents else {"missing": name}
            yield types.BatchGetDocumentsResponse(read_time=_now(), **found)

    def run_query(self, request, context):
        query = request.structured_query
        prefix = f"{request.parent}/{query.from_[0].collection_id}/"
        found = [one for name, one in sorted(self.documents.items()) if name.startswith(prefix)]
        if query.where:
            field = query.where.field_filter
            found = [one for one in found if one.fields.get(field.field.field_path) == field.value]
        for order in reversed(query.order_by):
            down = order.direction == types.StructuredQuery.Direction.DESCENDING
            found.sort(key=lambda one: one.fields[order.field.field_path].integer_value, reverse=down)
        for one in found[: query.limit or None]:
            yield types.RunQueryResponse(document=one, read_time=_now())
        if not found:
            yield types.RunQueryResponse(read_time=_now())

    def _write(self, write):
        if write.delete:
            self.documents.pop(write.delete, None)
            return types.WriteResult()
        name, moment = write.update.name, _now()
        known = self.documents.get(name)
        document = types.Document(name=name, create_time=known.create_time if known else moment, update_time=moment)
        masked = "update_mask" in write
        if known and masked:
            document.fields = known.fields
        for field in write.update_mask.field_paths if masked else write.update.fields:
            document.fields[field] = write.update.fields[field]
        self.documents[name] = document
        return types.WriteResult(update_time=moment)


def start() -> int:
    """Gives the port."""
    own = Firestore()
    methods = {
        "BatchGetDocuments": stream(own.batch_get, types.BatchGetDocumentsRequest, types.BatchGetDocumentsResponse),
        "BeginTransaction": unary(own.begin, types.BeginTransactionRequest, types.BeginTransactionResponse),
        "Commit": unary(own.commit, types.CommitRequest, types.CommitResponse),
        "Rollback": unary(own.rollback, types.RollbackRequest, empty_pb2.Empty),
        "RunQuery": stream(own.run_query, types.RunQueryRequest, types.RunQueryResponse),
    }
    return serve({"google.firestore.v1.Firestore": methods})
