// From a request that nobody has recorded to an answer in the snapshot.
import assert from "node:assert/strict";

export default async ({ open }) => {
  const page = await open({ viewport: { width: 360, height: 800 } });
  await page.goto("/");
  await page.getByRole("link", { name: "Reports" }).click();
  await page.getByRole("link", { name: /^v2 · / }).click();
  await page.getByRole("link", { name: "Responder" }).click();
  await page.getByLabel("Verdict").selectOption("miss");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByRole("link", { name: "GET /level" }).click();
  await page.getByText("would still not match").waitFor();
  assert.equal(await page.getByRole("button", { name: "Make this rule" }).count(), 0, "no rule makes it another request");
  await page.getByLabel("Status").fill("200");
  await page.getByLabel("Body").fill('{\n  "level": 7\n}');
  await page.getByRole("button", { name: "Add to the snapshot" }).click();
  await page.getByText("The answer is in the snapshot.").waitFor();
  await page.getByText(/would match exchange \d+/).waitFor();
  await page.getByRole("link", { name: "Traffic" }).click();
  await page.getByRole("link", { name: "GET /level" }).click();
  assert.match(await page.locator("main").innerText(), /"level": 7/);
};
