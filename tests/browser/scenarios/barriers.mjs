// axe-core finds nothing serious, in light and dark, wide and narrow; and nothing has to be scrolled sideways but what says so.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const paths = process.env.PATHS.split(" ");

export default async ({ open }) => {
  const found = [];
  for (const colorScheme of [process.env.SCHEME]) {
    for (const width of [Number(process.env.WIDTH)]) {
      const page = await open({ colorScheme, viewport: { width, height: 800 }, bypassCSP: true });
      for (const path of paths) {
        await page.goto(path);
        await page.locator("body:not([data-refresh])").or(page.getByText("Following")).waitFor();
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
        for (const { id, impact, nodes } of violations.filter(({ impact }) => ["serious", "critical"].includes(impact))) {
          found.push(`${path} ${colorScheme} ${width}: ${id} (${impact}) ${nodes.map((node) => node.html).slice(0, 3).join(" | ")} ${nodes[0].failureSummary}`);
        }
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        if (wide > width) found.push(`${path} ${colorScheme} ${width}: ${wide} wide`);
      }
    }
  }
  assert.deepEqual(found, []);
  return [/the server responded with a status of 4\d\d/];
};
