// What was recorded doesn't run, wherever it stands.
import assert from "node:assert/strict";

export default async ({ open, base }) => {
  const page = await open();
  await page.goto("/");
  const snapshots = await page.locator("tbody th a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
  assert.equal(snapshots.length, Number(process.env.SNAPSHOTS));
  let seen = 0;
  for (const snapshot of snapshots) {
    for (const end of ["", "/traffic", "/traffic?text=%3Cimg%20src=x%20onerror=window.ran=1%3E&operation=%22%3E%3Csvg%20onload=window.ran=1%3E", "/traffic/1", "/traffic/2", "/rules", "/lint", "/none",
      "/reports", "/reports/r.json", "/reports/r.json/success", "/reports/r.json/success/1", "/reports/r.json/responder", "/reports/r.json/responder/0",
      "/reports/r.json/logs", "/compare?old=r.json&new=r.json"]) {
      await page.goto(snapshot + end);
      await page.locator("body:not([data-refresh])").waitFor();
      assert.equal(await page.evaluate(() => globalThis.ran), undefined, snapshot + end);
      assert.equal(await page.locator("main :is(script, iframe, object, embed, base, meta, img, style, link)").count(), 0, snapshot + end);
      assert.equal(await page.locator("a[href^='javascript' i], a[href^='//'], a[href^='http']").count(), 0, snapshot + end);
      assert.ok(page.url().startsWith(base));
      seen += 1;
    }
    // Even opened by itself, what was recorded is a file to keep.
    const download = page.waitForEvent("download");
    await page.goto(`${snapshot}/traffic/1/response-body`).catch(() => {});
    await download;
  }
  assert.equal(seen, snapshots.length * 16);
  return [/the server responded with a status of 404/];
};
