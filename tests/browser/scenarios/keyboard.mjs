// With the keyboard alone: past the header, to a backend's checkbox, and saved; a filter; an exchange.
import assert from "node:assert/strict";

export default async ({ open }) => {
  const page = await open();
  await page.goto("/s/s");
  await page.locator("svg.understudy-map").waitFor();
  const focused = () => page.evaluate(() => {
    const element = document.activeElement;
    const outline = getComputedStyle(element);
    return {
      name: element.getAttribute("aria-label") ?? element.textContent.trim().slice(0, 60) ?? "",
      tag: element.tagName,
      seen: outline.outlineStyle !== "none" && parseFloat(outline.outlineWidth) > 0,
    };
  });
  const tabTo = async (name) => {
    for (let presses = 0; presses < 120; presses += 1) {
      await page.keyboard.press("Tab");
      const at = await focused();
      assert.ok(at.seen || at.tag === "BODY", `where the focus is can be seen: ${JSON.stringify(at)}`);
      if (at.name.startsWith(name)) return;
    }
    assert.fail(`${name} can't be reached`);
  };
  await page.keyboard.press("Tab");
  assert.equal((await focused()).name, "Skip to the content");
  await page.keyboard.press("Enter");
  await tabTo("Mock api.stripe.com");
  await page.keyboard.press("Space");
  await tabTo("Save");
  await page.keyboard.press("Enter");
  await page.getByText("Saved.").waitFor();
  assert.equal(await page.getByRole("checkbox", { name: "Mock api.stripe.com" }).isChecked(), false);
  await tabTo("Traffic");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/traffic");
  await page.getByLabel("Text").focus();
  await page.keyboard.type("charges");
  await page.keyboard.press("Enter");
  await page.waitForURL("**text=charges**");
  await tabTo("GET /v1/charges");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Signature" }).waitFor();
};
