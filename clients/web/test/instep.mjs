import { away, drive, fail, given, login, look, renew } from "./driver.mjs";

// A second tab, a lost connection, and a service that means ill.
await drive(async (context) => {
  const one = await context.newPage();
  // A feed is begun with what is seen first, and then with all.
  const feeds = [];
  context.on("request", (request) => request.url().endsWith("/hearth.state.v1.StateService/Watch") && feeds.push(request.url()));
  const begun = one.waitForEvent("request", () => feeds.length === 2);
  await login(one);
  await begun;
  feeds.length = 0;
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

  // A page of another build beside them, as one that was opened before the server was renewed: it has a feed of its own, and says
  // that there is a newer one when the server was away.
  const other = await context.newPage();
  const [, entry] = /src="(\/assets\/index-[^"]+\.js)"/.exec(await (await context.request.get(given.base)).text()) ?? [];
  const earlier = entry.replace("index-", "index-earlier-");
  await other.route((url) => url.pathname === "/services/hello", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: (await answer.text()).replace(`src="${entry}"`, `src="${earlier}"`) });
  });
  await other.route((url) => url.pathname === earlier, async (route) => route.fulfill({ response: await route.fetch({ url: given.base + entry }) }));
  feeds.length = 0;
  await other.goto(`${given.base}/services/hello`);
  await other.getByRole("button", { name: "Stop", exact: true }).waitFor();
  if (feeds.length !== 2) await fail(`a page of another build has begun its own feed ${feeds.length} times`);

  // A server that ends and comes back is taken up again by both, and one of another version says so.
  await renew(context, "restart");
  await one.getByRole("button", { name: "Stop", exact: true }).click();
  await two.getByText("Stopped", { exact: true }).first().waitFor();
  await one.getByRole("button", { name: "Start", exact: true }).click();
  await two.getByText("Running", { exact: true }).first().waitFor();
  if (!(await one.evaluate(() => globalThis.__same === true))) await fail("the page was loaded anew when the server was");
  await other.getByRole("button", { name: "Reload", exact: true }).waitFor();
  if (await one.getByRole("button", { name: "Reload", exact: true }).isVisible()) await fail("a page of the server's own build says that there is another");
  await other.close();
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

  // A text that is made to take for ever is shown as it is written, and the page answers meanwhile.
  await two.goto(`${given.base}/services/slow/about`);
  await two.locator("pre").getByText("_a_a_a_a").waitFor();
  if (!(await answers(two))) await fail("a package's text kept the page from answering");
  await look(two, "hostile-slow");

  // So does a form with a pattern that is made so; a pattern that is none is left to the package, a good one counts.
  const field = (number, text) => Buffer.concat([Buffer.from([(number << 3) | 2]), size(Buffer.byteLength(text)), Buffer.from(text)]);
  const form = { word: { type: "text", name: "Word", required: true, patterns: ["^(a+)+$", "(?P<x>", "^[a-z!]+$"].map((regex) => ({ regex, description: `it is not ${regex}` })) } };
  await two.route((url) => url.pathname.endsWith("/GetActionInput"), (route) => route.fulfill({ contentType: "application/proto", body: field(2, JSON.stringify(form)) }));
  await two.goto(`${given.base}/services/evil/actions`);
  await two.getByText("Set greeting").click();
  await two.getByRole("textbox", { name: "Word" }).fill("ABC");
  await two.getByRole("button", { name: "Save", exact: true }).click();
  await two.getByText("it is not ^(a+)+$").waitFor();
  await two.getByRole("textbox", { name: "Word" }).fill(`${"a".repeat(60)}!`);
  const called = two.waitForRequest((request) => request.url().endsWith("/RunAction"));
  await two.getByRole("button", { name: "Save", exact: true }).click();
  if (!(await answers(two))) await fail("a package's pattern kept the page from answering");
  await called;
  await two.unrouteAll();

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

/** Whether the page still comes to what it is asked: a script that does not end keeps it from that for good. */
async function answers(page) {
  const late = new Promise((resolve) => setTimeout(() => resolve(false), 30_000).unref());
  return Promise.race([late, page.evaluate(() => new Promise((resolve) => setTimeout(() => resolve(true), 500)))]);
}

/** A length as protocol buffers have it. */
function size(length) {
  return Buffer.from(length < 128 ? [length] : [(length & 127) | 128, length >> 7]);
}
