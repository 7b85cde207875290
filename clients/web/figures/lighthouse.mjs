import lighthouse from "lighthouse";
import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fail, given, login, tell } from "../test/driver.mjs";

// What Lighthouse says of the page somebody sees who is logged in: with its own simulated throttling, the median of some runs.
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
const context = await chromium.launchPersistentContext(given.profile, {
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"],
  env: { ...process.env, HOME: given.trusting },
  locale: "en-US",
});
try {
  const page = await context.newPage();
  await login(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  const port = Number(readFileSync(join(given.profile, "DevToolsActivePort"), "utf8").split("\n")[0]);
  const runs = [];
  for (let i = 0; i < Number(process.env.HEARTH_PAGE_RUNS ?? given.runs); i++) {
    // The feed has no end, so the page is never without a request: it is waited for as long as needed and no longer.
    const result = await lighthouse(given.base, { port, logLevel: "error", output: "json", onlyCategories: ["performance", "accessibility"], disableStorageReset: true, maxWaitForLoad: 15_000 });
    runs.push(result.lhr);
  }
  for (const name of ["performance", "accessibility"]) await tell(`figure lighthouse-${name} ${median(runs.map(({ categories }) => categories[name].score * 100))}`);
  for (const [name, audit] of [["first-paint", "first-contentful-paint"], ["largest-paint", "largest-contentful-paint"], ["blocked", "total-blocking-time"]]) {
    await tell(`figure lighthouse-${name}-ms ${median(runs.map(({ audits }) => audits[audit].numericValue))}`);
  }
  await tell("done");
} catch (error) {
  await fail(String(error?.stack ?? error).slice(0, 3000));
} finally {
  await context.close();
  process.exit(0);
}
