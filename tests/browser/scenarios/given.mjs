// What the real backend has answered in a replay is added as it was.
export default async ({ open }) => {
  const page = await open();
  await page.goto("/");
  await page.getByRole("link", { name: "Reports" }).click();
  await page.getByRole("link", { name: /^v2 · / }).click();
  await page.getByRole("link", { name: "Responder" }).click();
  await page.getByRole("link", { name: "GET /level" }).click();
  await page.getByText("The real backend answered 200").waitFor();
  await page.getByText("answer 2 to GET /level").waitFor();
  await page.getByRole("button", { name: "Add with this answer" }).click();
  await page.getByText(/would match exchange \d+/).waitFor();
};
