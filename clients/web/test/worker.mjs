import { away, drive, fail, given, login, look, password } from "./driver.mjs";

// The page as an app: kept by its worker, open while the server is away, and never with anything in it that the server said.
await drive(async (context) => {
  const page = await context.newPage();
  await login(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(async () => (await caches.keys()).length === 1);
  const kept = () =>
    page.evaluate(async () => {
      const [name] = await caches.keys();
      const cache = await caches.open(name);
      return (await cache.keys()).map(({ url }) => new URL(url).pathname).sort();
    });
  const before = await kept();
  if (!before.includes("/") || before.length < 20) await fail(`the worker keeps ${before.join(" ")}`);

  const client = await context.newCDPSession(page);
  const { installabilityErrors } = await client.send("Page.getInstallabilityErrors");
  // The contexts of tests are private windows, in which nothing can be installed; there is nothing else to find.
  for (const { errorId } of installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito")) await fail(`the page cannot be installed: ${errorId}`);

  // The first page that the worker has from its beginning; all that is done in it leaves the cache as it was.
  await page.reload();
  await page.getByRole("link", { name: "Hello", exact: true }).click();
  await page.getByRole("navigation", { name: "Hello" }).getByRole("link", { name: "About" }).click();
  await page.getByText("It is played.").waitFor();
  await page.goto(`${given.base}/system/access`);
  await page.getByText("this one").waitFor();
  const answered = await page.evaluate(() => fetch("/ca.crt").then((answer) => answer.ok));
  if (!answered || JSON.stringify(await kept()) !== JSON.stringify(before)) await fail(`the worker keeps ${(await kept()).filter((path) => !before.includes(path)).join(" ")}`);
  const said = await page.evaluate(async (secret) => {
    const [name] = await caches.keys();
    const cache = await caches.open(name);
    const texts = await Promise.all((await cache.keys()).map(async (request) => [request.url, await (await cache.match(request)).text()]));
    const half = JSON.parse(localStorage.getItem("hearth-session")).half;
    return texts.filter(([, text]) => text.includes(half) || text.includes(secret)).map(([url]) => url);
  }, password);
  if (said.length > 0) await fail(`a credential is in ${said.join(" ")}`);

  // While the server is away the page opens and says so; when it is back, so is all else, by itself.
  await away(async () => {
    await page.goto(`${given.base}/services/hello`);
    await page.getByText(/cannot be reached/).waitFor();
    await look(page, "away");
  });
  await page.getByRole("heading", { name: "Hello", exact: true }).waitFor();
  await page.getByRole("button", { name: "Stop", exact: true }).waitFor();
});
