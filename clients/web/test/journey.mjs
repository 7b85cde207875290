import { answer, away, drive, fail, given, look, password } from "./driver.mjs";

await drive(async (context) => {
  const page = await context.newPage();
  const button = (name) => page.getByRole("button", { name, exact: true });
  const link = (name) => page.getByRole("link", { name, exact: true });
  const heading = (name) => page.getByRole("heading", { name, exact: true });
  const tab = (name) => page.getByRole("navigation", { name: "Hello" }).getByRole("link", { name });

  // A fresh server.
  await page.goto(given.base);
  await heading("Welcome to Hearth").waitFor();
  await look(page, "claim");
  await page.getByLabel("Code of the server").fill(given.code);
  await page.getByLabel("Account").fill("alex");
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByLabel("Once more").fill("something else");
  await page.getByText("The two are not the same.").waitFor();
  await page.getByLabel("Once more").fill(password);
  await button("Make this server mine").click();
  await heading("Keep the recovery code").waitFor();
  await look(page, "recovery");
  await button("I have kept it").click();
  await heading("Nothing runs here yet").waitFor();
  await look(page, "empty");

  // A package from a file.
  await link("Install a service").click();
  await link("From a file").click();
  await look(page, "sideload");
  await page.locator("input[type=file]").setInputFiles(given.package);
  await page.getByText("not installed yet").waitFor();
  await heading("What happens").waitFor();
  await look(page, "review");
  await button("Install").click();
  await link("Go to Hello").click();
  await page.getByText("Running", { exact: true }).first().waitFor();
  await page.getByText("Set greeting").waitFor();
  await page.getByRole("log", { name: "Activity" }).getByText("Install Hello: succeeded").waitFor();
  await look(page, "service");

  // What it asks for, by its form. Where that cannot be had it is said and asked for again: by who is there, and when the server is back.
  const asks = (url) => url.pathname.endsWith("/GetActionInput");
  await page.route(asks, (route) => route.fulfill({ status: 403, contentType: "application/json", body: JSON.stringify({ code: "permission_denied", message: "not now" }) }), { times: 1 });
  await button("Do it").click();
  const again = page.getByRole("dialog").getByRole("alert").getByRole("button", { name: "Try again" });
  await again.waitFor();
  await look(page, "form-refused");
  await again.click();
  await page.getByRole("textbox", { name: "Greeting" }).waitFor();
  await answer(page, "Cancel");
  await away(async () => {
    await button("Do it").click();
    await again.waitFor();
  });
  await page.getByRole("textbox", { name: "Greeting" }).waitFor();
  await page.getByRole("textbox", { name: "Greeting" }).fill("");
  await button("Save").click();
  await page.getByText("is needed").waitFor();
  await page.getByRole("textbox", { name: "Greeting" }).fill("Good day");
  await look(page, "form");
  await button("Save").click();
  await heading("The greeting is set").waitFor();
  await page.getByRole("dialog").getByText("Good day").waitFor();
  await look(page, "result");
  await button("Close").last().click();

  // Addresses, with a code for a phone.
  await button("QR code").first().click();
  await page.getByRole("img", { name: /QR code of https/ }).waitFor();
  await look(page, "qr");
  await page.keyboard.press("Escape");

  // Who reaches it: an address is switched off and on again, and it gets a name of its own.
  await tab("Addresses").click();
  const address = page.getByRole("switch", { name: /^Who reaches https:\/\/192\.0\.2\.10:\d+$/ });
  await address.click();
  await address.and(page.getByRole("switch", { checked: false })).waitFor();
  await address.and(page.getByRole("switch", { checked: false })).click();
  await address.and(page.getByRole("switch", { checked: true })).waitFor();
  await button("Add a name").click();
  await page.getByRole("textbox", { name: "Name" }).fill("not a name");
  await button("Add").click();
  await page.getByRole("alert").waitFor();
  await look(page, "domain");
  await page.getByRole("textbox", { name: "Name" }).fill("hello.home.arpa");
  await button("Add").click();
  await page.getByRole("main").getByText(/https:\/\/hello\.home\.arpa/).first().waitFor();
  await button("Try them now").click();
  await page.getByText("the name does not lead here").first().waitFor();
  await look(page, "addresses");
  await page.getByRole("listitem").filter({ hasText: /^hello\.home\.arpa/ }).getByRole("button", { name: "Remove" }).click();
  await heading("Take the name hello.home.arpa away?").waitFor();
  await answer(page, "Remove");
  await page.getByText(/https:\/\/hello\.home\.arpa/).first().waitFor({ state: "detached" });

  // What it can do, and what it prints.
  await tab("Actions").click();
  await page.getByText("Play a role").waitFor();
  await look(page, "actions");
  await page.getByText("Play a role").click();
  await page.getByRole("combobox", { name: "Role" }).selectOption("unhealthy");
  await button("Save").click();
  await heading("The role is played").waitFor();
  await button("Close").last().click();
  await page.getByText("Not healthy", { exact: true }).waitFor();
  await tab("Overview").click();
  await heading("Why").waitFor();
  await page.getByText("History").click();
  await page.locator("details ol").getByText("failure").first().waitFor();
  await look(page, "unhealthy");
  await tab("Logs").click();
  await page.getByText("the page says: Good day").waitFor();
  await look(page, "logs");
  await page.getByLabel("Search the log").fill("nobody ever printed this");
  await page.getByText("Nothing found.").waitFor();
  await page.getByLabel("Search the log").fill("GOOD DAY");
  await page.getByText("the page says: Good day").waitFor();

  // Within it.
  await tab("Terminal").click();
  await button("Open a terminal").click();
  await page.getByRole("textbox", { name: "Terminal input" }).focus();
  await page.keyboard.type("echo hello terminal\r");
  await page.locator(".xterm-rows").getByText("hello terminal").first().waitFor();
  await look(page, "terminal");

  await tab("Usage").click();
  await page.getByRole("img", { name: /^Processor: used/ }).waitFor();
  // Charts have the page's colours, also when the device turns dark, or light, while they are seen.
  await page.locator("main canvas").first().evaluate((chart) => (chart.dataset.before = "yes"));
  await page.emulateMedia({ colorScheme: given.scheme === "dark" ? "light" : "dark" });
  await page.locator("main canvas[data-before]").waitFor({ state: "detached" });
  await page.emulateMedia({ colorScheme: given.scheme });
  await look(page, "usage");
  await tab("Snapshots").click();
  await heading("No snapshot yet").waitFor();
  await look(page, "snapshots");

  // How it is kept up to date, and what it may use.
  await tab("Settings").click();
  await page.getByRole("combobox", { name: "Newer versions" }).selectOption("At a time of the day");
  await page.getByLabel("Begins at").fill("04:30");
  await page.getByLabel("Open for (hours)").fill("99");
  await page.getByLabel("Time zone").selectOption("Europe/Berlin");
  await page.getByRole("checkbox", { name: "Sunday" }).check();
  await page.getByLabel("Keep the version before").selectOption("for 30 days");
  await button("Save").first().click();
  await page.locator("#policy-form [aria-invalid=true]").waitFor();
  await page.getByLabel("Open for (hours)").fill("2.5");
  await button("Save").first().click();
  await page.getByText("It opens next:").waitFor();
  await page.getByRole("spinbutton", { name: "Memory" }).fill("512");
  await page.getByRole("spinbutton", { name: "Processors" }).fill("1.5");
  await button("Save").last().click();
  await page.getByText("Saved.").first().waitFor();
  await page.reload();
  await page.getByLabel("Begins at").waitFor();
  if ((await page.getByLabel("Begins at").inputValue()) !== "04:30") await fail("the window is not what was saved");
  if ((await page.getByRole("spinbutton", { name: "Memory" }).inputValue()) !== "512") await fail("the limit is not what was saved");
  await look(page, "settings");
  await tab("About").click();
  await page.getByText("It is played.").waitFor();
  await look(page, "about");

  // Stopped and started.
  await button("Stop").click();
  await page.getByText("Stopped", { exact: true }).waitFor();
  await button("Start").click();
  await button("Stop").waitFor();

  // The rest of the house.
  for (const [name, path, text] of [
    ["activity", "/activity", "Install Hello"], ["audit", "/activity/audit", "Install a service"], ["notifications", "/notifications", "All quiet"],
    ["system", "/system", "About this server"], ["access", "/system/access", "this one"], ["people", "/system/people", "alex"],
    ["network", "/system/network", "Trust this server"], ["resources", "/system/resources", "Hearth itself"], ["health", "/system/health", "What the machine offers"],
  ]) {
    await page.goto(given.base + path);
    await page.getByRole("main").getByText(text).first().waitFor();
    await look(page, name);
  }
  await page.goto(`${given.base}/system/access`);
  await button("New token").click();
  await page.getByLabel("What it is for").fill("backup");
  await look(page, "token");
  await button("Make it").click();
  await page.getByText(/^hearth_tok_/).waitFor();
  await button("Close").last().click();
  await page.getByRole("main").getByText("backup").waitFor();

  // In another language, and back.
  await page.goto(`${given.base}/system`);
  await page.getByLabel("Language", { exact: true }).selectOption("de");
  await heading("Über diesen Server").waitFor();
  if ((await page.getAttribute("html", "lang")) !== "de") await fail("the page does not say that it is German");
  await page.getByLabel("Sprache", { exact: true }).selectOption("en");

  // Gone again.
  await link("Services").click();
  await link("Hello").click();
  await button("More").click();
  await page.getByRole("menuitem", { name: "Uninstall" }).click();
  await heading("Uninstall Hello?").waitFor();
  await look(page, "uninstall");
  await answer(page, "Uninstall");
  await heading("Nothing runs here yet").waitFor();

  await page.getByRole("button", { name: "Account of alex" }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await heading("Log in").waitFor();
  await look(page, "login");
});
