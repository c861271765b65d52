// DynamoDB through the AWS SDK for JavaScript: orders in a table, read in pages, changed in transactions.
//
// New in each run: access keys, the orders' own numbers (UUIDs), time stamps, the client tokens that the SDK makes up.

import { randomUUID } from "node:crypto";
import {
  BatchWriteItemCommand, CreateTableCommand, DeleteItemCommand, DynamoDBClient, GetItemCommand, paginateQuery, paginateScan,
  PutItemCommand, TransactWriteItemsCommand, UpdateItemCommand, waitUntilTableExists,
} from "@aws-sdk/client-dynamodb";
import { aws, meant, show } from "./kit.mjs";

const db = new DynamoDBClient(aws());
const TableName = "orders";
const key = (customer, number) => ({ customer: { S: customer }, number: { S: number } });
const order = (customer, number, amount) => ({
  ...key(customer, number), amount: { N: String(amount) }, placed: { S: new Date().toISOString() }, request: { S: randomUUID() },
});

const made = await db.send(new CreateTableCommand({
  TableName,
  AttributeDefinitions: ["customer", "number"].map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
  KeySchema: [{ AttributeName: "customer", KeyType: "HASH" }, { AttributeName: "number", KeyType: "RANGE" }],
  BillingMode: "PAY_PER_REQUEST",
}));
show("table", made.TableDescription.TableStatus);
await waitUntilTableExists({ client: db, maxWaitTime: 30 }, { TableName });

for (let number = 0; number < 5; number++) {
  await db.send(new PutItemCommand({ TableName, Item: order("ada", `A-${number}`, 100 + number) }));
}
const own = { first: randomUUID(), second: randomUUID() };
for (const [name, amount] of [["first", 11], ["second", meant(1, 22, 23)]]) {
  await db.send(new PutItemCommand({ TableName, Item: order("grace", own[name], amount) }));
}
for (const name of ["second", "first"]) {
  const { Item } = await db.send(new GetItemCommand({ TableName, Key: key("grace", own[name]) }));
  show("own", Item.amount, Item.number.S === own[name]);
}
for (const amount of [500, 600]) {
  const changed = await db.send(new UpdateItemCommand({
    TableName, Key: key("ada", "A-3"), UpdateExpression: "SET amount = :a, changed = :t", ReturnValues: "UPDATED_NEW",
    ExpressionAttributeValues: { ":a": { N: String(amount) }, ":t": { N: String(Date.now()) } },
  }));
  show("changed", changed.Attributes.amount);
}
try {
  const ConditionExpression = "attribute_not_exists(customer)";
  await db.send(new PutItemCommand({ TableName, Item: order("ada", "A-1", 1), ConditionExpression }));
} catch (error) {
  show("refused", error.name);
}
const query = { TableName, KeyConditionExpression: "customer = :c", ExpressionAttributeValues: { ":c": { S: "ada" } } };
for await (const page of paginateQuery({ client: db, pageSize: 2 }, query)) {
  show("page", page.Items.map((item) => [item.number.S, item.amount.N]), page.LastEvaluatedKey);
}
for await (const page of paginateScan({ client: db, pageSize: 4 }, { TableName })) {
  show("scanned", page.Items.map((item) => item.amount.N).sort());
}
const puts = [0, 1].map((number) => ({ PutRequest: { Item: order("alan", `B-${number}`, number) } }));
show("batch", (await db.send(new BatchWriteItemCommand({ RequestItems: { [TableName]: puts } }))).UnprocessedItems);
for (const amount of [70, 80]) {
  await db.send(new TransactWriteItemsCommand({ TransactItems: [{ Update: {
    TableName, Key: key("ada", "A-0"), UpdateExpression: "SET amount = :a", ExpressionAttributeValues: { ":a": { N: String(amount) } },
  } }] }));
  show("transaction", (await db.send(new GetItemCommand({ TableName, Key: key("ada", "A-0") }))).Item.amount);
}
const gone = await db.send(new DeleteItemCommand({ TableName, Key: key("ada", "A-4"), ReturnValues: "ALL_OLD" }));
show("deleted", gone.Attributes.amount);
db.destroy();
