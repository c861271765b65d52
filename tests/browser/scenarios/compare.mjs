// Two of three reports are compared, with the keyboard; the third says what is wrong with it.
import assert from "node:assert/strict";

export default async ({ open }) => {
  const page = await open();
  await page.goto("/s/shop/reports");
  assert.equal(await page.locator("tbody tr").count(), 3);
  await page.getByText("it is no report").waitFor();
  assert.ok(await page.getByRole("radio", { name: /^New: v1.3/ }).isChecked(), "the newest with the one before it");
  assert.ok(await page.getByRole("radio", { name: /^Old: v1.2/ }).isChecked());
  await page.getByRole("button", { name: "Compare" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("works again: GET /orders/1").waitFor();
  await page.getByRole("heading", { name: /^Not worse/ }).waitFor();
  await page.getByRole("link", { name: "The other way round" }).click();
  await page.getByText("fails now: GET /orders/1").waitFor();
  await page.getByRole("heading", { name: /^Worse/ }).waitFor();
  await page.getByRole("link", { name: /^v1.2/ }).click();
  await page.locator("svg.chart").first().waitFor();
  assert.equal(await page.locator("svg.chart").count(), 3);
};
