import { answer, drive, fail, given, login, look, password } from "./driver.mjs";

// What belongs to the server and not to a service: keys, the recovery code, names, certificates, mail, and what is stored. And a
// service that lacks what it needs.
await drive(async (context) => {
  const page = await context.newPage();
  const button = (name) => page.getByRole("button", { name, exact: true });
  const heading = (name) => page.getByRole("heading", { name, exact: true });
  const dialog = page.getByRole("dialog");
  await login(page);

  // What lacks something says what before it starts, and where to find it.
  await page.goto(`${given.base}/services/shop`);
  await page.getByText("not installed", { exact: true }).waitFor();
  await button("Start").click();
  await heading("Start Shop?").waitFor();
  await dialog.getByText("database: not installed").waitFor();
  await look(page, "start-lacks");
  await answer(page, "Cancel");
  await heading("Start Shop?").waitFor({ state: "detached" });
  await page.getByRole("link", { name: "Find it" }).click();
  await page.waitForURL(/\/discover\?search=database$/);
  await heading("No registry yet").waitFor();
  await page.goto(`${given.base}/services/shop`);
  await button("Start").click();
  await answer(page, "Start anyway");
  await button("Stop").waitFor();

  // A key is added once the password was proven anew; the feed goes on in the session that follows.
  const stale = (url) => url.pathname === "/hearth.accounts.v1.KeyService/AddKey";
  await page.route(stale, (route) => route.fulfill({ status: 403, contentType: "application/json", body: JSON.stringify({ code: "permission_denied", message: "old", details: [{ type: "hearth.meta.v1.Fault", value: "CIcB" }] }) }), { times: 1 });
  await page.goto(`${given.base}/system/access`);
  await button("Add a key").click();
  await page.getByLabel("What it is for").fill("desk");
  await page.getByLabel("Public key").fill("ssh-rsa AAAAB3NzaC1yc2E= alex@desk");
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByText("This is no Ed25519 public key.").waitFor();
  await look(page, "key");
  await page.getByLabel("Public key").fill(`-----BEGIN PUBLIC KEY-----\n${Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), Buffer.alloc(32, 9)]).toString("base64")}\n-----END PUBLIC KEY-----`);
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await heading("Your password once more").waitFor();
  await look(page, "prove");
  await page.getByRole("dialog").last().getByLabel("Password", { exact: true }).fill("wrong password");
  await button("Go on").click();
  await page.getByRole("dialog").last().getByRole("alert").waitFor();
  await page.getByRole("dialog").last().getByLabel("Password", { exact: true }).fill(password);
  await button("Go on").click();
  await page.getByRole("main").getByText("desk", { exact: true }).waitFor();
  await page.getByText("this one").waitFor();
  await button("New recovery code").click();
  await answer(page, "New recovery code");
  await heading("Keep the recovery code").waitFor();
  await button("I have kept it").click();
  await look(page, "access-keys");
  await page.getByRole("listitem").filter({ hasText: "desk" }).getByRole("button", { name: "Remove" }).click();
  await answer(page, "Remove");
  await page.getByText("in place of a token").waitFor();
  await page.goto(`${given.base}/services/shop`);
  await button("Stop").click();
  await page.getByText("Stopped", { exact: true }).waitFor();

  // Whom the resolver asks, and a certificate for a printer.
  await page.goto(`${given.base}/system/network`);
  await heading("Names (DNS)").waitFor();
  const dns = page.getByRole("region", { name: "Names (DNS)" }).or(page.locator("section", { has: heading("Names (DNS)") })).last();
  await dns.getByRole("button", { name: "Add", exact: true }).click();
  await dns.getByRole("textbox").fill("not an address");
  await dns.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("status").or(page.getByRole("alert")).getByText("not an address").first().waitFor();
  await dns.getByRole("textbox").fill("192.0.2.53");
  await dns.getByRole("button", { name: "Save", exact: true }).click();
  await dns.locator("p.row").getByText("192.0.2.53").waitFor();
  await dns.getByText("Names the server knows itself").click();
  await button("New certificate").click();
  await dialog.getByRole("textbox").fill("example.com");
  await dialog.getByRole("button", { name: "Make it", exact: true }).click();
  await dialog.getByRole("alert").waitFor();
  await dialog.getByRole("textbox").fill("printer.home.arpa");
  await look(page, "certificate");
  await dialog.getByRole("button", { name: "Make it", exact: true }).click();
  await heading("The certificate is made").waitFor();
  for (const [name, file] of [["Certificate", "certificate.pem"], ["Key", "key.pem"]]) {
    const saved = page.waitForEvent("download");
    await dialog.getByRole("link", { name, exact: true }).click();
    if ((await saved).suggestedFilename() !== file) await fail(`${file} is not given out`);
  }
  await button("Close").last().click();
  await page.getByRole("listitem").filter({ hasText: "printer.home.arpa" }).waitFor();
  await look(page, "network-dns");
  await page.getByRole("listitem").filter({ hasText: "printer.home.arpa" }).getByRole("button", { name: "Remove" }).click();
  await answer(page, "Remove");
  await page.getByRole("listitem").filter({ hasText: "printer.home.arpa" }).waitFor({ state: "detached" });

  // A report about a defect, in one file.
  await page.goto(`${given.base}/system/health`);
  const report = page.waitForEvent("download");
  await button("Save a report").click();
  if (!/^hearth-report-\d{8}-\d{6}\.tar\.gz$/.test((await report).suggestedFilename())) await fail("the report is not given out");
  await look(page, "health-report");

  // Mail: set, tried against a server that is not there, forgotten.
  await page.goto(`${given.base}/system`);
  await button("Set up").click();
  await dialog.getByRole("button", { name: "Save", exact: true }).click();
  await dialog.getByText("is needed").first().waitFor();
  await dialog.getByLabel("Mail server").fill("127.0.0.1");
  await dialog.getByRole("spinbutton", { name: "Port" }).fill("1");
  await dialog.getByLabel("Sender").fill("Home <home@example.org>");
  await dialog.getByLabel("User name").fill("home@example.org");
  await dialog.getByLabel("Password", { exact: true }).fill("secret of mail");
  await look(page, "mail");
  await dialog.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("main").getByText("Home <home@example.org>").waitFor();
  await button("Send a test mail").click();
  await dialog.getByLabel("To", { exact: true }).fill("alex@example.org");
  await dialog.getByRole("button", { name: "Send", exact: true }).click();
  await dialog.getByRole("alert").waitFor();
  await answer(page, "Cancel");
  await look(page, "system-mail");
  await page.locator("section", { has: heading("Mail") }).last().getByRole("button", { name: "Remove" }).click();
  await answer(page, "Remove");
  await button("Set up").waitFor();

  // What an uninstallation kept is erased for good.
  await page.goto(`${given.base}/services/shop`);
  await button("More").click();
  await page.getByRole("menuitem", { name: "Uninstall" }).click();
  await answer(page, "Uninstall");
  await heading("Nothing runs here yet").waitFor();
  await page.goto(`${given.base}/system/resources`);
  const kept = page.getByRole("listitem").filter({ hasText: "kept since" });
  await kept.waitFor();
  await look(page, "stored");
  await kept.getByRole("button", { name: "Erase" }).click();
  await dialog.getByRole("textbox").fill("shop");
  await answer(page, "Erase");
  await kept.waitFor({ state: "detached" });

  // A page that there is not.
  await page.goto(`${given.base}/services/nobody`);
  await heading("There is no service nobody here").or(page.getByRole("heading", { level: 1 })).first().waitFor();
  await look(page, "nobody");
});
