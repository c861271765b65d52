// The list is filtered, an exchange is opened, and its command is copied: it goes to stdout, to be run.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

export default async ({ open, base }) => {
  const page = await open({ permissions: ["clipboard-read", "clipboard-write"] });
  await page.goto("/s/s/traffic");
  const rows = page.locator("table.traffic tbody tr");
  const show = page.getByRole("button", { name: "Show", exact: true });
  assert.equal(await rows.count(), 3);
  await page.getByLabel("Operation").fill("post");
  await show.click();
  await page.getByText("1 of 3 exchanges").waitFor();
  await page.getByRole("link", { name: "Show all" }).click();
  await page.getByLabel("Text").fill("TO GET /B");
  await show.click();
  await page.getByText("1 exchange found; 3 of 3 looked through").waitFor();
  await page.goto("/s/s/traffic");
  await page.getByLabel("Order").selectOption("newest");
  await show.click();
  assert.match(await rows.first().textContent(), /POST \/c/);
  await rows.first().getByRole("link").click();
  await page.getByRole("heading", { name: "POST /c?d=[e]" }).waitFor();
  const text = await page.locator("main").textContent();
  for (const part of ["answer 3 to POST /c", "it's $(not) `run`", "body", "application/x-www-form-urlencoded"]) assert.ok(text.includes(part), part);
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "The response’s body" }).click();
  const file = await download;
  assert.equal(file.suggestedFilename(), "s-3-response-body");
  assert.equal(await readFile(await file.path(), "utf8"), "answer 3 to POST /c?d=[e]");
  await page.getByRole("button", { name: "Copy cURL" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  process.stdout.write(await page.evaluate(() => navigator.clipboard.readText()));
  assert.ok(page.url().startsWith(base));
};
