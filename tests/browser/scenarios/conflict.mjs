// Two windows on one snapshot: the second save is refused, says what changed, and keeps the choice; then it is saved.
import assert from "node:assert/strict";

export default async ({ open }) => {
  const [first, second] = [await open(), await open()];
  for (const page of [first, second]) {
    await page.goto("/s/s");
    await page.locator("svg.understudy-map").waitFor();
  }
  await first.getByRole("checkbox", { name: "Mock api.stripe.com" }).uncheck();
  await first.getByRole("button", { name: "Save" }).click();
  await first.getByText("Saved.").waitFor();
  await second.getByRole("checkbox", { name: "Mock stock.test" }).uncheck();
  await second.getByRole("button", { name: "Save" }).click();
  await second.getByRole("heading", { name: /Nothing was saved/ }).waitFor();
  assert.match(await second.locator("table.diff").textContent(), /mode: mock[\s\S]*mode: off/);
  assert.equal(await second.getByRole("checkbox", { name: "Mock stock.test" }).isChecked(), false, "the choice is kept");
  assert.equal(await second.getByRole("checkbox", { name: "Mock api.stripe.com" }).isChecked(), false, "and the other's is seen");
  await second.getByRole("button", { name: "Save" }).click();
  await second.getByText("Saved.").waitFor();
  await second.getByText("0 of 2 mocked").waitFor();
  return [/the server responded with a status of 409/];
};
