// What is recorded while the page is open comes up by itself, and stops when it is told to.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";

const step = (name) => writeFile(`${process.env.STEPS}/${name}`, "");

export default async ({ open }) => {
  const page = await open();
  await page.goto("/");
  await page.getByText("Nothing yet").waitFor();
  await page.evaluate(() => { globalThis.same = true; });
  await page.getByLabel("Text").fill("half a wo");
  await step("first");
  await page.getByRole("link", { name: "GET /first" }).waitFor();
  await step("second");
  await page.getByRole("link", { name: "GET /second" }).waitFor();
  const rows = await page.locator("table.traffic tbody tr").allTextContents();
  assert.match(rows[0], /\/second/, "the newest first");
  assert.equal(await page.evaluate(() => globalThis.same), true, "the page wasn't loaded again");
  assert.equal(await page.getByLabel("Text").inputValue(), "half a wo", "nor what is being typed lost");
  await page.getByRole("link", { name: "Pause" }).click();
  await page.getByText("Paused").waitFor();
  await page.getByRole("link", { name: "GET /first" }).click();
  await page.getByRole("heading", { name: "GET /first" }).waitFor();
};
