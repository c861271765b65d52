// gRPC through @grpc/grpc-js: all four kinds of calls, metadata and trailers, compressed messages, errors with details, a deadline.
//
// New in each run: the identifiers and times in the messages, and metadata.

import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import { freshSecret, meant, show } from "./kit.mjs";

const file = fileURLToPath(new URL("../fakes/orders.proto", import.meta.url));
const { orders } = grpc.loadPackageDefinition(loader.loadSync(file, { keepCase: true, longs: String }));
const client = new orders.v1.Orders("orders.example:443", grpc.credentials.createSsl(), {
  "grpc.enable_retries": 0,
  "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip,
});
const options = () => ({ deadline: Date.now() + 30_000 });
const close = (a, b) => Math.abs(a - b) < 1e-9;

function metadata() {
  const own = new grpc.Metadata();
  own.set("authorization", `Bearer ${freshSecret()}`);
  own.set("x-trace-bin", Buffer.from(freshSecret()));
  return own;
}

function place(customer, ...items) {
  // A clock in microseconds, as most are.
  const now = performance.timeOrigin + performance.now();
  const at = { seconds: Math.floor(now / 1000), nanos: 1_000_000 + (Math.floor(now * 1000) % 990_000) * 1000 };
  return { customer, items: items.map(([sku, count, price]) => ({ sku, count, price })), request_id: randomUUID(), at };
}

const told = (order) => [order.id, order.customer, order.items.map((item) => [item.sku, item.count, item.price]), order.total];
const own = (map) => Object.entries(map.getMap()).filter(([name]) => name.startsWith("x-") && name !== "x-understudy").sort();

function unary(method, asked) {
  return new Promise((resolve, reject) => {
    const seen = {};
    const call = client[method](asked, metadata(), options(), (error, answer) => {
      seen.answer = answer;
      if (error) reject(error);
    });
    call.on("metadata", (map) => (seen.initial = own(map)));
    call.on("status", (status) => status.code === 0 && resolve({ ...seen, trailing: own(status.metadata) }));
  });
}

async function received(call) {
  const got = [];
  for await (const one of call) got.push(told(one));
  return got;
}

for (const [customer, ...items] of [
  ["ada", ["pen", 2, 1.5]],
  ["grace", ["ink", 1, 7.25], ["paper", meant(1, 500, 501), 0.01]],
]) {
  const { answer, initial, trailing } = await unary("Place", place(customer, ...items));
  show("placed", told(answer), initial, trailing, close(answer.total, items.reduce((sum, [, n, price]) => sum + n * price, 0)));
}
show("got", told((await unary("Get", { id: meant(2, "order-1", "order-2") })).answer));
show("listed", await received(client.List({ customer: "ada", limit: 0 }, metadata(), options())));
show("imported", await new Promise((resolve, reject) => {
  const call = client.Import(metadata(), options(), (error, answer) => (error ? reject(error) : resolve(answer)));
  for (const sku of ["a", "b"]) call.write(place("bulk", [sku, 1, 2.5]));
  call.end();
}));
const quote = client.Quote(metadata(), options());
for (const id of ["order-2", "order-1", "order-3"]) quote.write({ id });
quote.end();
show("quoted", await received(quote));
for (const [method, asked] of [["Get", { id: "order-99" }], ["Place", place("ada")]]) {
  try {
    await unary(method, asked);
    show("not refused");
  } catch (error) {
    const [details] = error.metadata.get("grpc-status-details-bin");
    show("refused", error.code, error.details, details.toString("base64"));
  }
}
client.close();
