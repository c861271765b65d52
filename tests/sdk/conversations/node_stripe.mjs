// Stripe through stripe-node: customers in pages, payments, a declined card, refunds.
//
// New in each run: the API key, idempotency keys (the SDK's own and ours), correlation identifiers and times in metadata.

import { randomUUID } from "node:crypto";
import Stripe from "stripe";
import { freshSecret, meant, proxyAgent, show } from "./kit.mjs";

const stripe = new Stripe(`sk_test_${freshSecret()}`, {
  httpAgent: proxyAgent(), telemetry: false, maxNetworkRetries: 1,
});

const customers = [];
for (const name of ["Ada", "Grace", "Alan"]) {
  const metadata = { correlation: randomUUID(), at: String(Math.floor(Date.now() / 1000)) };
  const made = await stripe.customers.create({ name, email: `${name.toLowerCase()}@example.com`, metadata });
  customers.push(made.id);
  show("customer", made.id, made.name, made.created);
}
const listed = [];
for await (const one of stripe.customers.list({ limit: 2 })) listed.push(one.name);
show("listed", listed);
for (const which of [2, 0]) show("again", (await stripe.customers.retrieve(customers[which])).name);

const card = await stripe.paymentMethods.attach("pm_card_visa", { customer: customers[0] });
for (const amount of [1200, meant(1, 3400, 3401)]) {
  const made = await stripe.paymentIntents.create(
    { amount, currency: "eur", customer: customers[0], payment_method: card.id, confirm: true, metadata: { order: randomUUID() } },
    { idempotencyKey: randomUUID() },
  );
  show("payment", made.id, made.amount, made.status);
  show("then", (await stripe.paymentIntents.retrieve(made.id)).status);
}
try {
  const bad = await stripe.paymentMethods.attach("pm_card_visa_chargeDeclined", { customer: customers[1] });
  await stripe.paymentIntents.create({ amount: 500, currency: "eur", customer: customers[1], payment_method: bad.id, confirm: true });
} catch (error) {
  show("declined", error.type, error.statusCode, error.code);
}
const charges = await stripe.charges.list({ customer: customers[0], limit: 5 });
for (const charge of charges.data) {
  const back = await stripe.refunds.create({ charge: charge.id, amount: 100, metadata: { reason: randomUUID() } });
  show("refund", back.id, back.charge, back.amount);
}
