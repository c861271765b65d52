// A replay's report as a file: read without JavaScript, in light and dark, wide and narrow; nothing in it runs.
import assert from "node:assert/strict";

const { FILE, SAYS, PICTURES } = process.env;

export default async ({ open }) => {
  const plain = await open({ javaScriptEnabled: false });
  await plain.goto(FILE);
  await plain.getByRole("heading", { level: 1 }).waitFor();
  assert.ok((await plain.locator("body").innerText()).includes(SAYS), `it doesn't say ${SAYS}`);
  const page = await open({ viewport: { width: 1000, height: 900 } });
  await page.goto(FILE);
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
  assert.equal(await page.evaluate(() => globalThis.ran), undefined);
  assert.equal(await page.locator("script, iframe, img, base, form").count(), 0);
  if (PICTURES) {
    await page.reload();
    await page.screenshot({ path: `${PICTURES}/replay-report.png` });
  }
};
