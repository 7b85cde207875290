import { drive, fail, given, login, look } from "./driver.mjs";

// Of many services those that are seen are built, and the others when they come near: they are there all the same for who counts,
// searches, walks by the keyboard or has the page read out.
await drive(async (context) => {
  const page = await context.newPage();
  await login(page);
  const cards = page.locator("ul.cards > li");
  await cards.nth(given.services - 1).waitFor({ state: "attached" });
  await page.getByText(`${given.services} of ${given.services} running`).waitFor();
  await cards.first().getByText("Running", { exact: true }).waitFor();
  const last = cards.last();
  if ((await last.getByText("Running").count()) > 0) await fail("what nobody sees is built at once");
  await look(page, "many");

  // By its name: what reads pages out, and who searches the page, have it.
  const name = `service-${given.services - 1}`;
  const link = page.getByRole("link", { name, exact: true });
  await link.waitFor({ state: "attached" });
  if (!(await page.evaluate((name) => globalThis.find(name), name))) await fail("what is far below is not found in the page");
  await last.getByText("Running", { exact: true }).waitFor();
  await last.locator("img").waitFor();

  // By the keyboard, from the top.
  await page.reload();
  await cards.nth(given.services - 1).waitFor({ state: "attached" });
  await link.focus();
  await last.getByText("Running", { exact: true }).waitFor();
  await look(page, "many-below");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name, level: 1 }).waitFor();

  // By words.
  await page.goBack();
  await page.getByRole("searchbox").fill(name);
  await page.waitForFunction(() => document.querySelectorAll("ul.cards > li:not([hidden])").length === 1);
  await last.getByText("Running", { exact: true }).waitFor();
  await page.getByRole("searchbox").fill("nobody has this");
  await page.getByText("Nothing found.").waitFor();
  await look(page, "many-none");
  await page.getByRole("searchbox").fill("");
  await page.waitForFunction((all) => document.querySelectorAll("ul.cards > li:not([hidden])").length === all, given.services);
});
