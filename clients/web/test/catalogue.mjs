import { drive, fail, given, look } from "./driver.mjs";

// Somebody without an account looks through the catalogue of a registry, and sends an address to somebody else.
await drive(async (context) => {
  const page = await context.newPage();
  const heading = (name) => page.getByRole("heading", { name, exact: true });
  const link = (name) => page.getByRole("link", { name, exact: true });
  const at = (query) => page.waitForURL((url) => url.pathname === "/" && url.search === query);
  await page.goto(given.base);
  await heading("Packages").waitFor();
  await page.getByText("2 packages").waitFor();
  if ((await page.title()) !== "Example packages") await fail(`the title is ${await page.title()}`);
  await look(page, "catalogue");

  // What is looked for is in the address.
  await link("Media").click();
  await at("?category=media");
  await link("Second").waitFor({ state: "detached" });
  await page.getByRole("searchbox").fill("nobody has this");
  await page.getByText("Nothing found.").waitFor();
  await at("?q=nobody+has+this&category=media");
  await link("All").click();
  await page.getByRole("searchbox").fill("found second");
  await at("?q=found+second");
  await link("Second").click();

  // A package, its words, what it needs, and another version of that.
  await at("?package=second");
  await heading("Second").waitFor();
  await page.getByText("New in 1.0.0:0").waitFor();
  await look(page, "catalogue-package");
  if ((await page.locator('main a[href^="javascript:"], main script, main iframe, main img[onerror]').count()) > 0) await fail("what a publisher says became more than text");
  await page.locator("section", { has: heading("Needs") }).getByRole("link").click();
  await at("?package=listed");
  await page.getByText("New in 1.1.0:0").waitFor();
  await page.getByRole("combobox", { name: "Version" }).selectOption("1.0.0:0");
  await at("?package=listed&version=1.0.0%3A0");
  await page.getByText("New in 1.0.0:0").waitFor();
  await page.getByText("hearth package install listed@1.0.0:0").waitFor();

  // The address shows somebody else the same, and going back leads where it came from.
  const other = await context.newPage();
  await other.goto(page.url());
  await other.getByText("New in 1.0.0:0").waitFor();
  await other.goto(`${given.base}/?package=absent`);
  await other.getByText("There is no such package or version here.").waitFor();
  await look(other, "catalogue-absent");
  await page.goBack();
  await page.getByText("New in 1.1.0:0").waitFor();
  await page.goBack();
  await heading("Second").waitFor();
  await page.goBack();
  await at("?q=found+second");
  if ((await page.getByRole("searchbox").inputValue()) !== "found second") await fail("what was looked for is forgotten");
});
