// The pictures of docs/how-to/browse-a-snapshot.md, written where $PICTURES says.
export default async ({ open }) => {
  const take = async (name, path, { height, prepare = async () => {}, ...options }) => {
    const page = await open({ viewport: { width: 1120, height }, ...options });
    await page.goto(path);
    await page.locator("body:not([data-refresh])").waitFor();
    await prepare(page);
    await page.screenshot({ path: `${process.env.PICTURES}/${name}.png` });
  };
  await take("ui-summary", "/s/payment", { height: 1090 });
  await take("ui-traffic", "/s/payment/traffic?operation=dynamodb&sort=slowest", { height: 760 });
  await take("ui-exchange", "/s/payment/traffic?operation=%2Fcrm%2Fv3%2Fobjects%2Fcontacts", {
    height: 860,
    colorScheme: "dark",
    prepare: async (page) => {
      await page.locator("table.traffic tbody a").first().click();
      await page.getByRole("heading", { name: "Signature" }).waitFor();
    },
  });
  await take("ui-narrow", "/s/payment", {
    height: 800,
    viewport: { width: 360, height: 800 },
    colorScheme: "dark",
    prepare: (page) => page.getByRole("heading", { name: "Backends" }).evaluate((heading) => heading.scrollIntoView()),
  });
};
