import { answer, drive, fail, given, login, look, renew } from "./driver.mjs";

// A server that really runs services: one is brought, set up, watched, entered, updated, brought back, and survives the server's end.
await drive(async (context) => {
  const page = await context.newPage();
  const button = (name) => page.getByRole("button", { name, exact: true });
  const heading = (name) => page.getByRole("heading", { name, exact: true });
  const tab = (name) => page.getByRole("navigation", { name: "Hello Hearth" }).getByRole("link", { name });
  await login(page);

  // Brought by a file: what it is made of is told while it is set up.
  await page.goto(`${given.base}/sideload`);
  await page.locator("input[type=file]").setInputFiles(given.first);
  await heading("What happens").waitFor({ timeout: 60_000 });
  await look(page, "real-review");
  await button("Install").click();
  await page.getByRole("progressbar").or(page.getByRole("link", { name: "Go to Hello Hearth" })).first().waitFor();
  await page.getByRole("link", { name: "Go to Hello Hearth" }).click({ timeout: 60_000 });
  await page.getByText("Running", { exact: true }).first().waitFor({ timeout: 60_000 });

  // Set up by the form of its task, and opened.
  await button("Do it").click();
  await page.getByRole("textbox", { name: "Greeting" }).fill("Good day from the page");
  await button("Save").click();
  await heading("The greeting is set").waitFor();
  await button("Close").last().click();
  await look(page, "real-service");
  const opened = context.waitForEvent("page");
  await page.getByRole("link", { name: "Open", exact: true }).first().click();
  const service = await opened;
  await service.getByText("Good day from the page").waitFor();
  await service.close();

  // What it prints, a shell in it, what it uses.
  await tab("Logs").click();
  await page.getByText("the page says: Good day from the page").first().waitFor();
  await look(page, "real-logs");
  await tab("Terminal").click();
  await button("Open a terminal").click();
  await page.getByRole("textbox", { name: "Terminal input" }).focus();
  await page.keyboard.type("echo it is $((6 * 7)) in $(uname -s)\r");
  await page.locator(".xterm-rows").getByText("it is 42 in Linux").first().waitFor();
  await look(page, "real-terminal");
  await tab("Usage").click();
  await page.getByRole("img", { name: /^Processor: used/ }).waitFor({ timeout: 40_000 });
  await look(page, "real-usage");

  // The next version with its plan, and the way back, which takes the data with it.
  await page.goto(`${given.base}/sideload`);
  await page.locator("input[type=file]").setInputFiles(given.next);
  await heading("What happens").waitFor({ timeout: 60_000 });
  await page.getByText("1.0.0:0").first().waitFor();
  await look(page, "real-update");
  await button("Update").click();
  await page.getByRole("link", { name: "Go to Hello Hearth" }).click({ timeout: 90_000 });
  await page.getByRole("main").getByText(given.version, { exact: true }).first().waitFor();
  await page.getByText("Running", { exact: true }).first().waitFor({ timeout: 60_000 });
  await tab("Snapshots").click();
  await button("Roll back").first().click();
  await heading("Roll Hello Hearth back to 1.0.0:0?").waitFor();
  await answer(page, "Roll back");
  await page.locator("main header").getByText("1.0.0:0", { exact: true }).waitFor({ timeout: 90_000 });
  await page.getByText("Running", { exact: true }).first().waitFor({ timeout: 60_000 });

  // Ports in a row, and an address that another package supplies and takes away by its action.
  await page.goto(`${given.base}/services/effect-friend/addresses`);
  await page.getByText("Ports 47300 to 47301").waitFor();
  await page.getByText("http://abc.onion", { exact: false }).first().waitFor();
  await page.getByRole("button", { name: "Add by Effect probe" }).first().waitFor();
  await look(page, "real-addresses");
  await page.getByRole("listitem").filter({ hasText: "abc.onion" }).getByRole("button", { name: "Remove" }).click();
  const supplied = page.getByRole("dialog");
  await supplied.getByRole("heading", { name: "Look" }).waitFor();
  await look(page, "real-supplied");
  await page.keyboard.press("Escape");
  await supplied.waitFor({ state: "detached" });

  // The server is killed and comes back; the page goes on without being loaded anew, and services went on meanwhile.
  await page.goto(`${given.base}/services/hello-hearth`);
  await button("Stop").waitFor();
  await page.evaluate(() => (globalThis.__same = true));
  await renew(context, "restart");
  await button("Stop").click();
  await page.getByText("Stopped", { exact: true }).waitFor({ timeout: 60_000 });
  await button("Start").click();
  await page.getByText("Running", { exact: true }).first().waitFor({ timeout: 60_000 });
  if (!(await page.evaluate(() => globalThis.__same === true))) await fail("the page was loaded anew");

  // Gone, with its data.
  await button("More").click();
  await page.getByRole("menuitem", { name: "Uninstall" }).click();
  await page.getByRole("radio", { name: /^Erase/ }).check();
  await page.getByRole("textbox").fill("hello-hearth");
  await answer(page, "Uninstall");
  await heading("Services").waitFor({ timeout: 60_000 });
  await page.getByRole("link", { name: "Hello Hearth", exact: true }).waitFor({ state: "detached", timeout: 60_000 });
});
