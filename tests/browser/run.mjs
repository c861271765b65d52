// Runs one scenario in Chromium: `node run.mjs NAME`. The pages' address is in $UI_URL. It fails where a page says something to the console, breaks its own
// policy, or asks anybody else for anything.
import { access } from "node:fs/promises";
import { chromium } from "playwright-core";

const [, , name] = process.argv;
const base = process.env.UI_URL;

const executable = async () => {
  for (const path of [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]) {
    if (path && (await access(path).then(() => true, () => false))) return path;
  }
  throw new Error("there is no Chromium: run `sh scripts/setup-browser.sh`, or set CHROMIUM to one");
};

const browser = await chromium.launch({
  executablePath: await executable(),
  // Chromium refuses its sandbox to root, which is who runs in containers.
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
const wrong = [];

/** A page of its own, whose faults are gathered. */
const open = async (options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, baseURL: base, ...options });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && wrong.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => wrong.push(`script: ${error}`));
  page.on("dialog", (dialog) => { wrong.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !url.startsWith("data:") && !url.startsWith("blob:")) wrong.push(`asks for ${url}`);
  });
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
  return page;
};

try {
  const { default: scenario } = await import(`./scenarios/${name}.mjs`);
  // Some say what has to be so before the end is looked at: the console of a refused save says its status.
  const expected = (await scenario({ open, base })) ?? [];
  const left = wrong.filter((text) => !expected.some((pattern) => pattern.test(text)));
  if (left.length > 0) throw new Error(left.join("\n"));
} finally {
  await browser.close();
}
