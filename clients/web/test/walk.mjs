import { answer, drive, fail, given, login, look } from "./driver.mjs";

// What is done to a service that another one needs, by the keyboard alone as far as that goes, and what its data outlive.
await drive(async (context) => {
  const page = await context.newPage();
  const button = (name) => page.getByRole("button", { name, exact: true });
  const heading = (name) => page.getByRole("heading", { name, exact: true });
  /** Walks by the tab key to what has a name, as somebody does who has no pointer. */
  async function walkTo(name) {
    const named = (wanted) => {
      const at = document.activeElement;
      const said = at?.getAttribute("aria-label") ?? at?.textContent ?? "";
      return said.trim() === wanted && at !== document.body;
    };
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate(named, name)) return;
    }
    throw new Error(`the tab key does not come to ${name}`);
  }
  await login(page);

  // By the keyboard alone: to the service, its stop, the question with names, back out of it, and through.
  await walkTo("Skip to the content");
  await walkTo("Database");
  await page.keyboard.press("Enter");
  await heading("Database").waitFor();
  await walkTo("Stop");
  await page.keyboard.press("Enter");
  await heading("Stop Database?").waitFor();
  await page.getByRole("dialog").getByText("Shop").waitFor();
  await look(page, "stop-question");
  await page.keyboard.press("Escape");
  await heading("Stop Database?").waitFor({ state: "detached" });
  await page.waitForFunction(() => document.activeElement?.textContent?.trim() === "Stop");
  await page.keyboard.press("Enter");
  await heading("Stop Database?").waitFor();
  await walkTo("Stop");
  await page.keyboard.press("Enter");
  await page.getByText("Stopped", { exact: true }).waitFor();

  // Whoever needs it says so.
  await page.goto(`${given.base}/services/shop`);
  await page.getByText("does not run", { exact: true }).waitFor();
  await look(page, "dependency");

  // When that cannot be asked, it is said, and asked again.
  const asks = (url) => url.pathname.endsWith("/GetPackage");
  await page.route(asks, (route) => route.fulfill({ status: 403, contentType: "application/json", body: JSON.stringify({ code: "permission_denied", message: "not now" }) }));
  await page.reload();
  const again = page.getByRole("alert").getByRole("button", { name: "Try again" });
  await again.waitFor();
  await look(page, "dependency-unknown");
  await page.unroute(asks);
  await again.click();
  await page.getByText("does not run", { exact: true }).waitFor();
  await again.waitFor({ state: "detached" });

  // Started, restarted, rebuilt: each is another beginning in its log.
  await page.goto(`${given.base}/services/database/logs`);
  const begun = page.getByText("main begins");
  await begun.first().waitFor();
  await button("Start").click();
  await begun.nth(1).waitFor();
  await button("More").focus();
  await page.keyboard.press("Enter");
  await page.getByRole("menuitem", { name: "Restart" }).waitFor();
  await page.waitForFunction(() => document.activeElement?.textContent?.trim() === "Restart");
  await page.keyboard.press("Enter");
  await heading("Restart Database?").waitFor();
  await page.getByRole("dialog").getByText("Shop").waitFor();
  await answer(page, "Restart");
  await begun.nth(2).waitFor();
  await button("More").click();
  await page.getByRole("menuitem", { name: "Rebuild" }).click();
  await heading("Rebuild Database?").waitFor();
  await look(page, "rebuild");
  await answer(page, "Rebuild");
  await begun.nth(3).waitFor();
  await page.getByText("Running", { exact: true }).first().waitFor();

  // What needs it is named before it goes.
  await button("More").click();
  await page.getByRole("menuitem", { name: "Uninstall" }).click();
  await heading("Uninstall Database?").waitFor();
  await page.getByRole("dialog").getByText("Shop").waitFor();
  await look(page, "uninstall-needed");
  await answer(page, "Cancel");

  // Uninstalled with its data kept; installed again, it is told that it finds them.
  await page.goto(`${given.base}/services/shop`);
  await button("More").click();
  await page.getByRole("menuitem", { name: "Uninstall" }).click();
  await heading("Uninstall Shop?").waitFor();
  await answer(page, "Uninstall");
  await heading("Services").waitFor();
  await page.getByRole("link", { name: "Shop", exact: true }).waitFor({ state: "detached" });
  await page.goto(`${given.base}/sideload`);
  await page.locator("input[type=file]").setInputFiles(given.package);
  await page.getByText("Data of version 1.0.0:0 were kept").waitFor();
  await look(page, "review-kept");
  await button("Install").click();
  await page.getByRole("link", { name: "Go to Shop" }).click();
  await page.getByText("Running", { exact: true }).first().waitFor();
  if (await page.evaluate(() => globalThis.__wasPwned === true)) await fail("a service ran a script in the page");
});
