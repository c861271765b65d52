// All of it works without JavaScript too.
import assert from "node:assert/strict";

export default async ({ open }) => {
  const page = await open({ javaScriptEnabled: false });
  await page.goto("/s/s");
  while ((await page.locator("svg.understudy-map").count()) === 0) await page.goto("/s/s");
  assert.equal(await page.locator("[data-all]").isVisible(), false, "what would do nothing isn't there");
  await page.getByRole("checkbox", { name: "Mock stock.test" }).uncheck();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  assert.equal(await page.getByRole("checkbox", { name: "Mock stock.test" }).isChecked(), false);
  await page.getByRole("link", { name: "Traffic" }).click();
  await page.getByLabel("Operation").fill("charges");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  assert.equal(await page.locator("table.traffic tbody tr").count(), 1);
  await page.locator("table.traffic tbody a").click();
  await page.getByRole("heading", { name: /GET \/v1\/charges/ }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Copy cURL" }).count(), 0);
  await page.locator("#curl-text").waitFor();
};
