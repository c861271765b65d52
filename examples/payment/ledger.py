"""The service's own records, in one DynamoDB table.

An item is addressed by (kind, id) and may be listed under a group, in the order of its id. Nothing written here depends
on the clock or on chance, so that a recording of it can be replayed.
"""

import base64
import json

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

TABLE = "payments"
KEYS = ("pk", "sk", "gsi_pk", "gsi_sk")


class Exists(Exception):
    """The item exists already."""


class Missing(Exception):
    """The item doesn't exist."""


class Conflict(Exception):
    """A transaction was refused as a whole."""


class Ledger:
    def __init__(self, client):
        self._client = client

    def ensure_table(self):
        """Creates the table unless it exists, and waits until it is active."""
        try:
            self._client.describe_table(TableName=TABLE)
            return
        except self._client.exceptions.ResourceNotFoundException:
            pass
        self._client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in KEYS],
            KeySchema=_key_schema("pk", "sk"),
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by_group",
                    "KeySchema": _key_schema("gsi_pk", "gsi_sk"),
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        self._client.get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1, "MaxAttempts": 30})

    def get(self, kind: str, id: str) -> dict:
        item = self._client.get_item(TableName=TABLE, Key=_key(kind, id), ConsistentRead=True).get("Item")
        if item is None:
            raise Missing(f"no {kind} {id}")
        return _plain(item)

    def add(self, kind: str, id: str, item: dict, group: str) -> dict:
        try:
            self._client.put_item(TableName=TABLE, **_put(kind, id, item, group))
        except self._client.exceptions.ConditionalCheckFailedException:
            raise Exists(f"{kind} {id} exists") from None
        return {"id": id, **item}

    def update(self, kind: str, id: str, **changes) -> dict:
        """Sets the given fields, and returns the whole item."""
        try:
            answer = self._client.update_item(
                TableName=TABLE,
                Key=_key(kind, id),
                ReturnValues="ALL_NEW",
                **_set(changes),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise Missing(f"no {kind} {id}") from None
        return _plain(answer["Attributes"])

    def remove(self, kind: str, id: str):
        self._client.delete_item(TableName=TABLE, Key=_key(kind, id))

    def add_and_count(self, kind: str, id: str, item: dict, customer: str, counters: dict) -> dict:
        """Adds an item of a customer and adds to the customer's counters, both or neither.

        The request token is made of the id: a repeated attempt is the same transaction.
        """
        put = {"Put": {"TableName": TABLE, **_put(kind, id, item, f"customer#{customer}")}}
        try:
            self._both(f"{kind}-{id}", put, _count(customer, counters))
        except Conflict:
            raise Exists(f"{kind} {id} exists") from None
        return {"id": id, **item}

    def update_and_count(self, kind: str, record: dict, changes: dict, customer: str, counters: dict) -> dict:
        """Sets fields of a record that was read before, and adds to the customer's counters, both or neither."""
        update = {"Update": {"TableName": TABLE, "Key": _key(kind, record["id"]), **_set(changes)}}
        values = "-".join(str(value) for value in changes.values())
        self._both(f"{kind}-{record['id']}-{values}", update, _count(customer, counters))
        return {**record, **changes}

    def _both(self, token: str, first: dict, second: dict):
        try:
            self._client.transact_write_items(ClientRequestToken=token, TransactItems=[first, second])
        except ClientError as error:
            if error.response["Error"]["Code"] == "TransactionCanceledException":
                raise Conflict(token) from None
            raise

    def page(self, group: str, limit: int, after: str | None = None) -> tuple[list, str | None]:
        """One page of a group, and the cursor of the next one."""
        start = {"ExclusiveStartKey": json.loads(base64.urlsafe_b64decode(after))} if after else {}
        answer = self._client.query(
            TableName=TABLE,
            IndexName="by_group",
            KeyConditionExpression="gsi_pk = :group",
            ExpressionAttributeValues={":group": _wire(group)},
            Limit=limit,
            **start,
        )
        last = answer.get("LastEvaluatedKey")
        cursor = base64.urlsafe_b64encode(json.dumps(last, sort_keys=True).encode()).decode() if last else None
        return [_plain(item) for item in answer["Items"]], cursor

    def pages(self, group: str, limit: int) -> list:
        """The whole group, read page by page."""
        items, cursor = self.page(group, limit)
        while cursor:
            more, cursor = self.page(group, limit, cursor)
            items += more
        return items

    def batch(self, kind: str, ids: list) -> list:
        """The existing items, by id."""
        answer = self._client.batch_get_item(RequestItems={TABLE: {"Keys": [_key(kind, id) for id in ids]}})
        return sorted((_plain(item) for item in answer["Responses"][TABLE]), key=lambda item: item["id"])


def _key(kind: str, id: str) -> dict:
    return {"pk": _wire(f"{kind}#{id}"), "sk": _wire(kind)}


def _key_schema(hash_key: str, range_key: str) -> list:
    return [{"AttributeName": hash_key, "KeyType": "HASH"}, {"AttributeName": range_key, "KeyType": "RANGE"}]


def _set(changes: dict) -> dict:
    """The parameters of an update that sets fields of an existing item."""
    return _expression("SET " + ", ".join(f"#{name} = :{name}" for name in changes), changes)


def _count(customer: str, counters: dict) -> dict:
    """The part of a transaction that adds to a customer's counters."""
    addition = _expression("ADD " + ", ".join(f"#{name} :{name}" for name in counters), counters)
    return {"Update": {"TableName": TABLE, "Key": _key("customer", customer), **addition}}


def _expression(text: str, values: dict) -> dict:
    return {
        "UpdateExpression": text,
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeNames": {f"#{name}": name for name in values},
        "ExpressionAttributeValues": {f":{name}": _wire(value) for name, value in values.items()},
    }


def _put(kind: str, id: str, item: dict, group: str) -> dict:
    fields = {"id": id, **item, "gsi_pk": group, "gsi_sk": f"{kind}#{id}"}
    wire = {name: _wire(value) for name, value in fields.items()}
    return {"Item": {**_key(kind, id), **wire}, "ConditionExpression": "attribute_not_exists(pk)"}


def _wire(value) -> dict:
    return TypeSerializer().serialize(value)


def _plain(item: dict) -> dict:
    """An item as the service shows it: without its keys, with whole numbers as int."""
    read = TypeDeserializer().deserialize
    fields = {name: read(value) for name, value in sorted(item.items()) if name not in KEYS}
    return {name: int(value) if type(value).__name__ == "Decimal" else value for name, value in fields.items()}
