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

  // What a package says of itself is text, its icon a picture that runs and fetches nothing.
  await two.goto(`${given.base}/services/evil`);
  await two.getByText("<img src=x onerror=__pwned()>").first().waitFor();
  await two.waitForFunction(() => [...document.querySelectorAll("main header img")].some((icon) => icon.complete && icon.naturalWidth > 0));
  await look(two, "hostile");
  await two.goto(`${given.base}/services/evil/about`);
  await two.getByText("Text of the licence").click();
  await two.getByText("What evil allows").waitFor();
  await two.getByRole("heading", { name: "What to do" }).waitFor();
  const left = await two.evaluate(() => {
    const bad = "script, iframe, form, style, object, embed, [style*=position], [onclick], [onerror], [onload], img:not([src^='blob:'])";
    const links = [...document.querySelectorAll("main a")].map((link) => link.getAttribute("href") ?? "").filter((href) => /^\s*(javascript|data|vbscript):/i.test(href));
    return [...document.querySelectorAll(`main :is(${bad})`)].map((element) => element.outerHTML).concat(links);
  });
  if (left.length > 0) await fail(`what a package says became more than text: ${left.join(" ")}`);
  await look(two, "hostile-about");

  // What it prints is text too, and what it tells.
  await two.goto(`${given.base}/services/evil/logs`);
  await two.getByText("the page says: <img src=x onerror=__pwned()>").waitFor();
  await two.getByText("done", { exact: false }).first().waitFor();
  if ((await two.locator('main [href^="javascript:"], main img[src="x"]').count()) > 0) await fail("what a package prints became more than text");
  await look(two, "hostile-logs");
  await two.goto(`${given.base}/notifications`);
  await two.getByText("[click](javascript:__pwned())").or(two.getByText("click")).first().waitFor();
  if ((await two.locator('main [href^="javascript:"], main script').count()) > 0) await fail("what a package tells became more than text");
  await look(two, "hostile-notification");
});
