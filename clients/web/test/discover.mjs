import { answer, drive, fail, given, login, look } from "./driver.mjs";

// A registry is added, a package found, read, installed, updated, and brought back. What the registry says means ill.
await drive(async (context) => {
  const page = await context.newPage();
  const button = (name) => page.getByRole("button", { name, exact: true });
  const heading = (name) => page.getByRole("heading", { name, exact: true });
  const field = (name) => page.getByRole("textbox", { name, exact: true });
  await login(page);
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Discover" }).click();
  await heading("No registry yet").waitFor();
  await look(page, "discover-none");
  await button("Add a registry").click();
  await field("Address").fill(given.registry);
  await button("Add").click();
  await page.getByRole("alert").getByText("address of this machine").waitFor();
  await page.getByLabel("It is in my own network").check();
  await button("Add").click();
  await page.getByRole("listitem").filter({ hasText: given.registry }).waitFor();
  await look(page, "registries");
  await button("Close").last().click();

  // Found by its category and by its words.
  const card = page.getByRole("link", { name: "Listed", exact: true });
  await card.waitFor();
  await look(page, "discover");
  await button("Media").click();
  await card.waitFor();
  await page.getByRole("searchbox").fill("nobody has this");
  await page.getByText("Nothing found.").waitFor();
  await page.getByRole("searchbox").fill("found");
  await card.click();

  // Its words are text, and an older version is one of the same list.
  await heading("Listed").waitFor();
  await page.getByText("What is new: nothing.").waitFor();
  if ((await page.locator('main a[href^="javascript:"], main script, main iframe, main form, main img[onerror], main [style*="position"]').count()) > 0) await fail("what a registry says became more than text");
  await page.getByRole("combobox", { name: "Version" }).selectOption("1.0.0:0");
  await heading("What happens").waitFor();
  await look(page, "offer");
  await button("Install").click();
  await page.getByRole("link", { name: "Go to Listed" }).first().waitFor();
  await page.getByText("Version 1.0.0:0 is installed.").waitFor();
  await page.goto(`${given.base}/services/listed`);
  await page.getByText("Running", { exact: true }).first().waitFor();

  // Updated with a plan, one after the other.
  await page.goto(`${given.base}/discover/updates`);
  const update = page.getByRole("region", { name: "Listed" });
  await update.getByText("1.0.0:0 → 1.1.0:0").waitFor();
  await update.getByText("Details", { exact: true }).click();
  await update.getByText("Away meanwhile").waitFor();
  await look(page, "updates");
  // One is left out, and offered again.
  const second = page.getByRole("region", { name: "Second" });
  await second.getByRole("button", { name: "Skip this version" }).click();
  await second.waitFor({ state: "detached" });
  await page.goto(`${given.base}/services/second/settings`);
  await page.getByRole("button", { name: "Offer it again" }).click();
  await page.getByRole("button", { name: "Offer it again" }).waitFor({ state: "detached" });
  await page.goto(`${given.base}/services/second`);
  await page.getByRole("link", { name: "Update to 1.0.1:0" }).click();
  await second.waitFor();
  await update.waitFor();
  // What comes from elsewhere now is shown before it is had, and is not among all.
  await second.getByText("It changes what somebody should decide about").waitFor();
  await second.getByText("Registry", { exact: true }).waitFor();
  if ((await update.getByText("It changes what somebody should decide about").count()) > 0) await fail("an update like the version before is said to change something");
  if ((await button("Update all").count()) > 0) await fail("an update that somebody should decide about is one of all");
  await look(page, "updates-decide");
  await second.getByRole("button", { name: "Update", exact: true }).click();
  await update.getByRole("button", { name: "Update", exact: true }).click();
  await update.getByRole("link", { name: "Snapshots" }).waitFor();
  await page.getByRole("region", { name: "Second" }).getByRole("link", { name: "Snapshots" }).waitFor();
  await look(page, "updates-done");
  await button("Look again").click();
  await heading("Everything is up to date").waitFor();

  // And brought back.
  await page.goto(`${given.base}/services/listed/data`);
  await button("Roll back").click();
  await heading("Roll Listed back to 1.0.0:0?").waitFor();
  await look(page, "rollback");
  await answer(page, "Roll back");
  await page.getByRole("banner").or(page.locator("header")).getByText("1.0.0:0").first().waitFor();
  await page.getByText("Running", { exact: true }).first().waitFor();

  // Another flavor is one of the versions, and said to be another one; and from there to what is newer, and what is older.
  await page.goto(`${given.base}/discover`);
  await card.click();
  for (const version of ["#lite:1.1.0:0", "1.1.0:0", "1.0.0:0"]) {
    await page.getByRole("combobox", { name: "Version" }).selectOption(version);
    await heading("What happens").waitFor();
    const other = page.getByText("Another one; updates stay with it");
    await other.waitFor({ state: version === "1.0.0:0" ? "detached" : "visible" });
    if (version.startsWith("#")) await look(page, "flavor");
    await button("Update").click();
    await page.getByText(`Version ${version} is installed.`).waitFor();
  }

  // The registry is forgotten; what came from it stays.
  await page.goto(`${given.base}/discover`);
  await button("Registries").click();
  await page.getByRole("button", { name: /^Remove/ }).click();
  await page.getByText(given.registry).waitFor({ state: "detached" });
  await button("Close").last().click();
  await heading("No registry yet").waitFor();
});
