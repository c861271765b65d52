// The map is there; Stripe is unchecked, saved, and still is when the page is loaded again.
import assert from "node:assert/strict";

export default async ({ open }) => {
  const page = await open();
  await page.goto("/");
  await page.getByRole("link", { name: "s", exact: true }).first().click();
  const map = page.locator("svg.understudy-map");
  await map.waitFor();
  for (const host of ["api.stripe.com", "stock.test"]) assert.match(await map.textContent(), new RegExp(host));
  const stripe = page.getByRole("checkbox", { name: "Mock api.stripe.com" });
  const all = page.getByRole("checkbox", { name: "Mock all" });
  const state = () => all.evaluate((box) => (box.indeterminate ? "some" : box.checked ? "all" : "none"));
  assert.equal(await state(), "all");
  await stripe.uncheck();
  assert.equal(await state(), "some");
  await all.check();
  assert.ok(await stripe.isChecked());
  await all.uncheck();
  assert.equal(await stripe.isChecked(), false);
  assert.equal(await state(), "none");
  await page.getByRole("link", { name: "Cancel" }).click();
  assert.ok(await stripe.isChecked(), "Cancel brings back what is saved");
  await stripe.uncheck();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  await page.reload();
  assert.equal(await stripe.isChecked(), false);
  assert.ok(await page.getByRole("checkbox", { name: "Mock stock.test" }).isChecked());
  assert.equal(await state(), "some");
  assert.match(await map.textContent(), /called|passes|not mocked|off|live/i);
};
