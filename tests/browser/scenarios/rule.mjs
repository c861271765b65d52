// From a report that failed to a rule that mends it: without JavaScript, and with the keyboard where something is changed.
import assert from "node:assert/strict";

export default async ({ open }) => {
  const page = await open({ javaScriptEnabled: false });
  const settled = async () => {
    // Without JavaScript a page that says that more is to come is loaded again by hand.
    while ((await page.locator("body[data-refresh]").count()) > 0) await page.reload();
  };
  await page.goto("/s/s");
  await page.getByRole("link", { name: "Reports" }).click();
  await page.getByRole("link", { name: /^v2 · / }).click();
  await page.getByRole("heading", { level: 1, name: /Failed/ }).waitFor();
  await page.getByRole("link", { name: "Responder" }).click();
  await settled();
  await page.getByText("Of the 1 that didn’t match, 0 would match").waitFor();
  await page.getByRole("link", { name: "POST /orders" }).click();
  await settled();
  await page.getByText("would still not match").waitFor();
  assert.equal(await page.getByLabel("body/till").inputValue(), "mask");
  if (process.env.PICTURES) {
    await page.setViewportSize({ width: 1120, height: 960 });
    await page.locator("#asked").evaluate((heading) => heading.scrollIntoView());
    await page.screenshot({ path: `${process.env.PICTURES}/ui-miss.png` });
  }
  // What counts isn't left out; then there is no rule to make.
  await page.getByLabel("body/till").selectOption("counts");
  await page.getByRole("button", { name: "Weigh it" }).click();
  await settled();
  assert.equal(await page.getByRole("button", { name: "Make this rule" }).count(), 0);
  await page.getByLabel("body/till").selectOption("mask");
  await page.getByRole("button", { name: "Weigh it" }).click();
  await settled();
  await page.getByText("It is about 1 recorded request.").waitFor();
  await page.getByRole("button", { name: "Make this rule" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("The rule is in snapshot.yaml.").waitFor();
  await settled();
  await page.getByText(/would match exchange \d+; body\/till may be other/).waitFor();
  await page.getByRole("link", { name: "Rules" }).click();
  await page.getByText("(build v2)").waitFor();
};
