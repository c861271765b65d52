// A shop through Node's own `fetch`: orders placed, read in parallel, changed, listed in pages, deleted.
//
// `fetch` looks at proxy variables by itself from Node.js 22.21 and 24.5 on; before, undici's agent, which is what is inside of it, does.
// New in each run: the bearer token, an order's reference (which the answer carries back).

import { randomUUID } from "node:crypto";
import { EnvHttpProxyAgent, setGlobalDispatcher } from "undici";
import { freshSecret, meant, show } from "./kit.mjs";

setGlobalDispatcher(new EnvHttpProxyAgent());
const authorization = `Bearer ${freshSecret()}`;

async function ask(method, path, body, more = {}) {
  const headers = { authorization, ...(body && { "content-type": "application/json" }), ...more };
  return fetch(`https://shop.example${path}`, { method, headers, body: body && JSON.stringify(body) });
}

const made = [];
for (const [item, amount] of [["tea", 3], ["milk", meant(1, 5, 6)], ["bread", 1]]) {
  const reference = randomUUID();
  const answer = await ask("POST", "/orders", { item, amount, reference });
  const order = await answer.json();
  made.push(order.id);
  show("placed", answer.status, answer.headers.get("location"), order.reference === reference);
}
const read = await Promise.all(made.map((id) => ask("GET", `/orders/${id}`)));
for (const answer of read) show("read", (await answer.json()).item, answer.headers.get("etag"));
show("not changed", (await ask("GET", `/orders/${made[0]}`, null, { "if-none-match": read[0].headers.get("etag") })).status);
show("changed", (await (await ask("PUT", `/orders/${made[0]}`, { amount: 4 })).json()).amount);
show("read", (await (await ask("GET", `/orders/${made[0]}`)).json()).amount);
for (let after = 0; after !== null;) {
  const page = await (await ask("GET", `/orders?after=${after}&limit=2`)).json();
  show("page", page.orders);
  after = page.after;
}
show("none", (await ask("GET", "/orders/none")).status, (await ask("DELETE", `/orders/${made[1]}`)).status);
