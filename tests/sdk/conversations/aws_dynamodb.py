"""DynamoDB through boto3: orders in a table, read one by one, in pages, in batches and in a transaction.

New in each run: access keys, the orders' own numbers (UUIDs), time stamps, the client tokens that boto3 makes up.
"""

from botocore.exceptions import ClientError
from kit import aws, code, fresh_id, meant, now, refused, show

db = aws("dynamodb")
TABLE = "orders"


def order(customer: str, number: str, amount: int, **more) -> dict:
    return {
        "customer": {"S": customer},
        "number": {"S": number},
        "amount": {"N": str(amount)},
        "placed": {"S": now()},
        "request": {"S": fresh_id()},
        **more,
    }


def key(customer: str, number: str) -> dict:
    return {"customer": {"S": customer}, "number": {"S": number}}


made = db.create_table(
    TableName=TABLE,
    AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("customer", "number")],
    KeySchema=[{"AttributeName": "customer", "KeyType": "HASH"}, {"AttributeName": "number", "KeyType": "RANGE"}],
    BillingMode="PAY_PER_REQUEST",
)
show("table", made["TableDescription"]["TableStatus"], made["TableDescription"]["TableArn"])
db.get_waiter("table_exists").wait(TableName=TABLE)

for number in range(7):
    db.put_item(TableName=TABLE, Item=order("ada", f"A-{number:03}", 100 + number))

# Numbers that this service makes up: read in another order than they were written.
own = {name: fresh_id() for name in ("first", "second", "third")}
for name, amount in (("first", 11), ("second", meant(1, 22, 23)), ("third", 33)):
    db.put_item(TableName=TABLE, Item=order("grace", own[name], amount, name={"S": name}))
for name in ("third", "first", "second"):
    item = db.get_item(TableName=TABLE, Key=key("grace", own[name]), ConsistentRead=True)["Item"]
    show("own", item["name"], item["amount"], item["number"]["S"] == own[name])

item = db.get_item(TableName=TABLE, Key=key("ada", "A-003"))["Item"]
show("got", item)
show("nothing", db.get_item(TableName=TABLE, Key=key("ada", "A-999")).get("Item"))
for amount in (500, 600):
    changed = db.update_item(
        TableName=TABLE,
        Key=key("ada", "A-003"),
        UpdateExpression=meant(2, "SET amount = :a, changed = :t", "SET amount = :t, changed = :a"),
        ExpressionAttributeValues={":a": {"N": str(amount)}, ":t": {"S": now()}},
        ReturnValues="UPDATED_NEW",
    )
    show("changed", changed["Attributes"]["amount"])
show("got", db.get_item(TableName=TABLE, Key=key("ada", "A-003"))["Item"]["amount"])

# The condition fails, and the SDK says so as an error of its own.
error = refused(
    lambda: db.put_item(
        TableName=TABLE, Item=order("ada", "A-001", 1), ConditionExpression="attribute_not_exists(customer)"
    ),
    db.exceptions.ConditionalCheckFailedException,
)
show("refused", code(error))

start, pages = {}, 0
while True:
    page = db.query(
        TableName=TABLE,
        KeyConditionExpression="customer = :c",
        ExpressionAttributeValues={":c": {"S": "ada"}},
        Limit=3,
        **start,
    )
    pages += 1
    show("page", [item["number"]["S"] for item in page["Items"]], page.get("LastEvaluatedKey"))
    if "LastEvaluatedKey" not in page:
        break
    start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
for page in db.get_paginator("scan").paginate(TableName=TABLE, PaginationConfig={"PageSize": 4}):
    show("scanned", sorted(item["amount"]["N"] for item in page["Items"]))
# It stays this service's own number, though answers have had it by now.
item = db.get_item(TableName=TABLE, Key=key("grace", own["first"]))["Item"]
show("own", item["name"], item["number"]["S"] == own["first"])

puts = [{"PutRequest": {"Item": order("alan", f"B-{number}", number)}} for number in range(3)]
show("batch", db.batch_write_item(RequestItems={TABLE: puts})["UnprocessedItems"])
keys = [key("alan", f"B-{number}") for number in (2, 0)]
found = db.batch_get_item(RequestItems={TABLE: {"Keys": keys}})["Responses"][TABLE]
show("batch", sorted((item["number"]["S"], item["amount"]["N"]) for item in found))

for amount in (70, 80):
    taken = {
        "Update": {
            "TableName": TABLE,
            "Key": key("ada", "A-000"),
            "UpdateExpression": "SET amount = :a",
            "ExpressionAttributeValues": {":a": {"N": str(amount)}},
        }
    }
    kept = {"Put": {"TableName": TABLE, "Item": order("audit", f"{amount}", amount)}}
    db.transact_write_items(TransactItems=[taken, kept])
    got = db.transact_get_items(TransactItems=[{"Get": {"TableName": TABLE, "Key": key("ada", "A-000")}}])
    show("transaction", got["Responses"][0]["Item"]["amount"])
check = {
    "ConditionCheck": {
        "TableName": TABLE,
        "Key": key("ada", "A-404"),
        "ConditionExpression": "attribute_exists(customer)",
    }
}
error = refused(lambda: db.transact_write_items(TransactItems=[check]), ClientError)
show("refused", code(error))

gone = db.delete_item(TableName=TABLE, Key=key("ada", "A-006"), ReturnValues="ALL_OLD")
show("deleted", gone["Attributes"]["amount"])
show("tables", db.list_tables()["TableNames"])
