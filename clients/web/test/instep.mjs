import { away, drive, fail, given, login, look, renew } from "./driver.mjs";

// A second tab, a lost connection, and a service that means ill.
await drive(async (context) => {
  const one = await context.newPage();
  await login(one);
  const feeds = [];
  context.on("request", (request) => request.url().endsWith("/hearth.state.v1.StateService/Watch") && feeds.push(request.url()));
  const two = await context.newPage();
  await two.goto(`${given.base}/services/hello`);
  await two.getByRole("button", { name: "Stop", exact: true }).waitFor();
  if (feeds.length > 0) await fail(`the second tab has a feed of its own`);

  // What is done in one is seen in the other.
  await one.getByRole("link", { name: "Hello", exact: true }).click();
  await one.getByRole("button", { name: "Stop", exact: true }).click();
  await two.getByText("Stopped", { exact: true }).waitFor();

  // A lost connection is told, and what happened meanwhile is there when it is back, without the page being loaded anew.
  await one.evaluate(() => (globalThis.__same = true));
  await away(async () => {
    await one.getByText("The connection is lost").waitFor();
    await look(one, "lost");
  });
  await one.getByText("The connection is lost").waitFor({ state: "detached" });
  await one.getByRole("button", { name: "Start", exact: true }).click();
  await two.getByText("Running", { exact: true }).first().waitFor();
  if (!(await one.evaluate(() => globalThis.__same === true))) await fail("the page was loaded anew");

  // A server that ends and comes back is taken up again by both, and one of another version says so.
  await renew(context, "restart");
  await one.getByRole("button", { name: "Stop", exact: true }).click();
  await two.getByText("Stopped", { exact: true }).first().waitFor();
  await one.getByRole("button", { name: "Start", exact: true }).click();
  await two.getByText("Running", { exact: true }).first().waitFor();
  if (!(await one.evaluate(() => globalThis.__same === true))) await fail("the page was loaded anew when the server was");
  await renew(context, "upgrade");
  for (const page of [one, two]) await page.getByText("9.9.9").waitFor();
  await look(one, "new-version");
  await one.getByRole("button", { name: "Reload", exact: true }).click();
  await one.getByText("9.9.9").waitFor({ state: "detached" });
  await one.getByRole("button", { name: "Stop", exact: true }).waitFor();

  // When the tab with the feed goes, the other has it, and has it again after it was loaded anew.
  await one.close();
  await two.getByRole("button", { name: "Stop", exact: true }).click();
  await two.getByText("Stopped", { exact: true }).waitFor();
  await two.reload();
  await two.getByText("Stopped", { exact: true }).waitFor();

  // What a package says of itself is text.
  await two.goto(`${given.base}/services/evil`);
  await two.getByText("<img src=x onerror=__pwned()>").first().waitFor();
  await look(two, "hostile");
  await two.goto(`${given.base}/services/evil/about`);
  await two.getByText("Text of the licence").waitFor();
  if ((await two.locator('a[href^="javascript:"]').count()) > 0) await fail("a package made a link that runs a script");
  await look(two, "hostile-about");
});
