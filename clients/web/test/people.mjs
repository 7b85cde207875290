import { answer, drive, fail, given, login, look, password, renew, visit } from "./driver.mjs";

// Who may do what: another person is let in, sees what the role allows, and is told at once when that changes; sessions are ended, the
// password is changed, the server gets a name.
await drive(async (context) => {
  const page = await context.newPage();
  const button = (name, where = page) => where.getByRole("button", { name, exact: true });
  const heading = (name, where = page) => where.getByRole("heading", { name, exact: true });
  const dialog = page.getByRole("dialog");
  const secret = "another long password";
  async function enter(account, word) {
    const visitor = await (await visit(context.browser(), { ignoreHTTPSErrors: true })).newPage();
    await visitor.goto(given.base);
    await visitor.getByLabel("Account").fill(account);
    await visitor.getByLabel("Password", { exact: true }).fill(word);
    await button("Log in", visitor).click();
    return visitor;
  }
  await login(page);

  // A viewer sees and does nothing; what became of the role counts without a new login.
  await page.goto(`${given.base}/system/people`);
  await button("New account").click();
  await page.waitForFunction(() => document.activeElement?.id === "new-id");
  await dialog.getByLabel("Account").fill("kim");
  await dialog.getByLabel("Name for people").fill("Kim");
  await dialog.getByLabel("Password", { exact: true }).fill(secret);
  await look(page, "person");
  await button("Make the account").click();
  await page.getByRole("main").getByText("Kim", { exact: true }).waitFor();
  const kim = await enter("kim", secret);
  await kim.getByRole("link", { name: "Hello", exact: true }).click();
  await heading("Hello", kim).waitFor();
  await kim.getByText("Running", { exact: true }).first().waitFor();
  if ((await button("Stop", kim).count()) > 0) await fail("a viewer is offered to stop a service");
  if ((await kim.getByRole("link", { name: "Terminal" }).count()) > 0) await fail("a viewer is offered a terminal");
  await look(kim, "viewer");
  await kim.goto(`${given.base}/system`);
  await heading("About this server", kim).waitFor();
  if ((await kim.getByRole("link", { name: "People" }).count()) + (await button("Restart", kim).count()) > 0) await fail("a viewer is offered what only administrators may");
  // Nor is it there for who has its address; what there is not at all leads to what there is.
  for (const part of ["people", "health", "nosuch", "toString", "constructor"]) {
    await kim.goto(`${given.base}/system/${part}`);
    await heading("About this server", kim).waitFor();
    await kim.waitForURL(`${given.base}/system`);
  }
  for (const part of ["terminal", "actions", "nosuch", "valueOf"]) {
    await kim.goto(`${given.base}/services/hello/${part}`);
    await heading("Health", kim).waitFor();
    await kim.waitForURL(`${given.base}/services/hello`);
  }
  await kim.goto(`${given.base}/nosuch`);
  await heading("There is no such page", kim).waitFor();
  // Pages that are open take up another role by themselves, a greater one as well as a lesser one.
  await kim.goto(`${given.base}/services/hello`);
  await heading("Health", kim).waitFor();
  const beside = await kim.context().newPage();
  await beside.goto(`${given.base}/system`);
  await heading("About this server", beside).waitFor();
  const role = page.getByRole("combobox", { name: "Role of kim" });
  await role.selectOption("Administrator");
  await button("Stop", kim).waitFor();
  await beside.getByRole("link", { name: "People" }).waitFor();
  await role.selectOption("Viewer");
  await button("Stop", kim).waitFor({ state: "detached" });
  await beside.getByRole("link", { name: "People" }).waitFor({ state: "detached" });
  await beside.close();
  await role.selectOption("Operator");
  await button("Stop", kim).waitFor();

  // Sessions: the others are ended, and their pages say so by themselves.
  const desk = await enter("alex", password);
  await heading("Services", desk).waitFor();
  await page.goto(`${given.base}/system/access`);
  await button("End all others").click();
  await answer(page, "End all others");
  await heading("Log in", desk).waitFor();
  await button("End all others").waitFor({ state: "detached" });
  await look(page, "sessions");

  // Another password, which counts from then on.
  await button("Change password").click();
  await dialog.getByLabel("Present password").fill("not this one");
  await dialog.getByLabel("New password").fill(secret);
  await dialog.getByLabel("Once more").fill(secret);
  await dialog.getByRole("button", { name: "Save", exact: true }).click();
  await dialog.getByRole("alert").waitFor();
  await dialog.getByLabel("Present password").fill(password);
  await look(page, "password");
  await dialog.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("The password is changed.").waitFor();
  await desk.getByLabel("Account").fill("alex");
  await desk.getByLabel("Password", { exact: true }).fill(password);
  await button("Log in", desk).click();
  await desk.getByRole("alert").waitFor();
  await look(desk, "login-wrong");
  await desk.getByLabel("Password", { exact: true }).fill(secret);
  await button("Log in", desk).click();
  await heading("Services", desk).waitFor();

  // A name, which each page has at once; what a restart and a shutdown mean is told first.
  await page.goto(`${given.base}/system`);
  await page.getByLabel("Name of the server").fill("A house with a rather long name that fits nowhere at all");
  await page.locator("form").getByRole("button", { name: "Save", exact: true }).click();
  if (!given.phone) await desk.getByText("A house with a rather long name").waitFor();
  await look(page, "named");
  await button("Restart").click();
  await dialog.getByText("Services go on meanwhile.").waitFor();
  await look(page, "restart");
  await answer(page, "Cancel");
  await page.evaluate(() => (globalThis.__same = true));
  await dialog.waitFor({ state: "detached" });
  await button("Restart").click();
  await renew(context, "restarted", async () => {
    await answer(page, "Restart");
    await page.getByText("The server restarts.").waitFor();
  });
  if (!(await page.evaluate(() => globalThis.__same === true))) await fail("the page was loaded anew after the restart");
  await button("Shut down").click();
  await dialog.getByRole("listitem").getByText("Hello", { exact: true }).waitFor();
  await look(page, "shutdown");
  await answer(page, "Cancel");

  // The person goes, and is out at once.
  await page.goto(`${given.base}/system/people`);
  await page.getByRole("listitem").filter({ hasText: "kim" }).getByRole("button", { name: "Remove" }).click();
  await answer(page, "Remove");
  await heading("Log in", kim).waitFor();
});
