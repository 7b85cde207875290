// Takes a session through its life in a real browser, which is closed and opened again meanwhile.
//
//   node chromium.mjs BASE BUNDLE PROFILE PASSWORD
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

const [base, bundle, profile, password] = process.argv.slice(2);
const script = readFileSync(bundle, "utf8");

/** A browser with one page of the server's origin; run calls a function of page.mjs in it. */
async function open() {
  const browser = spawn("chromium", [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors",
    "--remote-debugging-pipe", `--user-data-dir=${profile}`, "about:blank",
  ], { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"] });
  let said = "";
  browser.stderr.on("data", (chunk) => (said += chunk));
  const gone = new Promise((done) => browser.on("close", done));
  const [, , , commands, events] = browser.stdio;
  const waiting = new Map();
  const listening = new Map();
  gone.then(() => waiting.forEach(({ reject }) => reject(new Error(`the browser has gone: ${said}`))));
  const hear = (message) => {
    if (message.id === undefined) return listening.get(message.method)?.(message.params);
    const { resolve, reject } = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error) reject(new Error(message.error.message));
    else resolve(message.result);
  };
  let pending = "";
  events.setEncoding("utf8").on("data", (chunk) => {
    const messages = (pending + chunk).split("\0");
    pending = messages.pop();
    for (const m of messages) hear(JSON.parse(m));
  });
  let next = 0;
  const call = (method, params = {}, sessionId = undefined) => {
    commands.write(JSON.stringify({ id: ++next, method, params, sessionId }) + "\0");
    return new Promise((resolve, reject) => waiting.set(next, { resolve, reject }));
  };
  const { targetId } = await call("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
  await call("Page.enable", {}, sessionId);
  const loaded = new Promise((done) => listening.set("Page.loadEventFired", done));
  await call("Page.navigate", { url: `${base}/openapi.json` }, sessionId);
  await loaded;
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await call("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true }, sessionId);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  await evaluate(`${script}; globalThis.page = page; undefined`);
  return {
    run: (name, ...args) => evaluate(`page.${name}(...${JSON.stringify(args)})`),
    close: async () => {
      await call("Browser.close").catch(() => undefined);
      await gone;
    },
  };
}

let browser = await open();
assert.equal(await browser.run("who"), "UNAUTHENTICATED");
await browser.run("login", password, false);
assert.equal(await browser.run("who"), "alex");
assert.equal(await browser.run("cookies"), "", "a script sees the cookie");
assert.deepEqual(await browser.run("rotate"), { names: ["alex", "alex"], fresh: true });
assert.equal(await browser.run("who"), "alex");
await browser.close();

// It went with the browser: the half that the page kept is of no use, and the page notices.
browser = await open();
assert.equal(await browser.run("active"), true);
assert.equal(await browser.run("who"), "UNAUTHENTICATED");
assert.equal(await browser.run("active"), false);
await browser.run("login", password, true);
await browser.close();

// A lasting one does not.
browser = await open();
assert.equal(await browser.run("who"), "alex");
await browser.run("logout");
assert.equal(await browser.run("who"), "UNAUTHENTICATED");
await browser.close();
console.log("done");
