// What journeys have in common: a browser, eyes on what must not happen, and a way to ask the test for what a page cannot do.
import { readFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

export const given = JSON.parse(process.argv[2]);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has the test do something, as "cut", and waits until it is done. */
export async function tell(what) {
  came = what;
  process.stdout.write(`${what}\n`);
  await answers.next();
}
export const fail = (text) => tell(text.replaceAll("\n", " ⏎ "));

/** What a page says in its dialogs, and of what went wrong, else in its whole. */
function said() {
  const told = [...document.querySelectorAll("[role=dialog], [role=alertdialog], [role=alert], [role=status], [role=log]")].map((one) => one.innerText.trim()).filter((text) => text !== "");
  return (told.length > 0 ? told : [document.body.innerText]).join(" | ");
}

const browsers = [];
/** The last thing that a journey looked at or asked for. */
let came = "its beginning";

/** Opens a browser as somebody has it at `home`, for whom the server's port of the contract is the one of the test. */
export async function browse(home, options = {}) {
  const args = ["--no-sandbox", "--disable-gpu", ...(given.resolve ? [`--host-resolver-rules=${given.resolve}`] : [])];
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args, ...(home ? { env: { ...process.env, HOME: home } } : {}) });
  browsers.push(browser);
  return visit(browser, options);
}

/** A visitor of a browser, with eyes on what must not happen. */
export async function visit(browser, options = {}) {
  const context = await browser.newContext({
    viewport: { width: given.width, height: given.height },
    colorScheme: given.scheme,
    isMobile: given.phone === true,
    hasTouch: given.phone === true,
    reducedMotion: "reduce",
    locale: "en-US",
    ...options,
  });
  context.setDefaultTimeout(20_000);
  await context.addInitScript(() => {
    // What a hostile service would call if it could.
    globalThis.__pwned = () => (globalThis.__wasPwned = true);
  });
  context.on("page", (page) => void watch(page));
  return context;
}

/** For how long a journey may go on. What runs within a page has no limit of its own. */
const patience = 8 * 60_000 + (given.seconds ?? 0) * 1000;

/** Opens the browser as the test wants it, and ends the process when the work is done. */
export async function drive(work) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`the journey has not ended: last it came to ${came}`)), patience).unref());
  try {
    const context = given.trusting ? await browse(given.trusting) : await browse("", { ignoreHTTPSErrors: true });
    await Promise.race([late, work(context)]);
    await tell("done");
  } catch (error) {
    const all = browsers.flatMap((browser) => browser.contexts()).flatMap((one) => one.pages());
    for (const page of all) if (given.shots) await page.screenshot({ path: shotPath("failed") }).catch(() => undefined);
    await fail(String(error?.stack ?? error).slice(0, 3000));
    for (const page of all) await fail(`the page ${page.url()} says: ${(await page.evaluate(said).catch(String)).slice(0, 1000)}`);
  } finally {
    for (const browser of browsers) await browser.close();
    process.exit(0);
  }
}

/**
 * Has the test end the server and start the next one, by "restart", or one of another version, by "upgrade", or await the end that
 * somebody asks for and start the next one, by "restarted"; and waits for the feed.
 */
export async function renew(context, how, ask = () => undefined) {
  begin();
  await ask();
  const back = context.waitForEvent("response", (response) => response.url().endsWith("/Watch") && response.ok());
  await tell(how);
  await back;
  end();
}

/**
 * Until when the way to the server counts as cut, during which the browser itself complains of what it cannot load. It does so for a
 * moment after, too: of what another tab asked for just before, and of what a busy machine tells late.
 */
let cutUntil = 0;
const begin = () => (cutUntil = Infinity);
const end = () => (cutUntil = Date.now() + 5_000);
export async function away(work) {
  begin();
  await tell("cut");
  await work();
  await tell("join");
  end();
}

function watch(page) {
  page.on("console", (message) => {
    if (!["error", "warning"].includes(message.type())) return;
    // No worker for a server whose root is not trusted: that is the browser's rule, and it says so itself.
    if (message.text().startsWith("An SSL certificate error occurred when fetching the script")) return;
    // A link of the machine came or went beneath the browser, as others' containers do on one with many tests; the page asks again.
    if (message.text().includes("net::ERR_NETWORK_CHANGED")) return;
    // A service that begins anew with what was just set does not answer for a moment, which its door says and its page comes back from.
    if (given.services && /status of 50[24]/.test(message.text()) && new URL(message.location().url).origin !== given.base) return;
    if (given.expects && message.text().includes(given.expects)) return;
    if (/net::ERR_|Failed to load resource|when fetching the script/.test(message.text()) && (Date.now() < cutUntil || /400|401|403|404|409/.test(message.text()))) return;
    void fail(`the console says: ${message.text()}`);
  });
  page.on("pageerror", (error) => void fail(`the page threw: ${error.stack}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (["blob:", "data:"].includes(url.protocol)) return;
    if (given.services && url.hostname === "localhost" && url.origin !== given.base) return; // a service's own page
    if (![given.base, given.plain, given.secure].includes(url.origin)) return void fail(`the page asks somebody else: ${request.url()}`);
    const known = !given.contract || given.contract.includes(url.pathname) || url.pathname.startsWith("/transfer/") || url.pathname === "/ca.crt";
    if (!known && request.method() !== "GET") void fail(`the page calls what is not in the contract: ${request.method()} ${url.pathname}`);
  });
}

const shotPath = (name, scheme = given.scheme) => `${given.shots}/${name}-${given.width}-${scheme}.png`;

/**
 * Looks at the page as it is, in both schemes of colours: it has no finding of axe, does not scroll sideways, and nobody has run
 * anything in it.
 */
export async function look(page, name) {
  came = name;
  // A page behind another is not drawn, and no colour of it changes.
  await page.bringToFront();
  // A page whose code is still being fetched has nothing to look at.
  await page.locator("h1").first().waitFor({ state: "attached" });
  await page.waitForTimeout(50);
  if (given.shots) mkdirSync(given.shots, { recursive: true });
  // Chromium's protocol, not a script of the page: the page's policy stays as it is.
  await page.evaluate(axe);
  await judge(page, name, given.scheme, {});
  const other = given.scheme === "dark" ? "light" : "dark";
  await page.emulateMedia({ colorScheme: other });
  await page.evaluate(settled);
  await judge(page, name, other, { runOnly: ["color-contrast"] });
  await page.emulateMedia({ colorScheme: given.scheme });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 1) await fail(`${name}: the page is ${wide} pixels wider than the window`);
  const glued = await page.evaluate(() => /\bsince\b[^\n·]*\bago\b/.exec(document.body.innerText)?.[0]);
  if (glued) await fail(`${name}: two ways to tell a time are one: ${glued}`);
  if (await page.evaluate(() => globalThis.__wasPwned === true)) await fail(`${name}: a service ran a script in the page`);
}

/** Waits until colours have changed: what moves for ever, as a sign that something goes on, is left out. */
async function settled() {
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  const ends = document.getAnimations().filter((one) => one.effect?.getComputedTiming().endTime !== Infinity);
  await Promise.allSettled(ends.map((one) => one.finished));
}

async function judge(page, name, scheme, options) {
  if (given.shots) await page.screenshot({ path: shotPath(name, scheme) });
  const found = await page.evaluate(async (options) => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"], ...options });
    return violations.map((v) => `${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 160)} — ${n.any[0]?.message ?? n.all[0]?.message ?? ""}`).join(" | ")}`);
  }, options);
  for (const finding of found) await fail(`${name}, ${scheme}: axe finds ${finding}`);
}

/** Says yes, or no, to what the page asks: never to a button of the same name that lies beneath. */
export const answer = (page, name) => page.getByRole("dialog").getByRole("button", { name, exact: true }).click();

export const password = "correct horse battery";

export async function login(page) {
  await page.goto(given.base);
  await page.getByLabel("Account").fill("alex");
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { name: "Services", level: 1 }).waitFor();
}
