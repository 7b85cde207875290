import { browse, drive, fail, given, look, visit } from "./driver.mjs";

// First contact by plain HTTP: what trusting the root means, whether it is trusted, and on to the server once it is.
await drive(async (context) => {
  // Who opens the server by its name is met by the explanation, in a browser that knows nothing.
  const stranger = await (await browse(given.nobody)).newPage();
  await stranger.goto(given.plain);
  await stranger.getByText("This device does not trust the server yet.").waitFor();
  await stranger.getByText("Windows", { exact: true }).click();
  await stranger.getByText("Choose Install Certificate").waitFor();
  await look(stranger, "first-contact");
  await stranger.getByRole("button", { name: "Check again" }).click();
  await stranger.getByText("This device does not trust the server yet.").waitFor();
  if (stranger.url() !== `${given.plain}/`) await fail("the page went on though the root is not trusted");
  const saved = stranger.waitForEvent("download");
  await stranger.getByRole("link", { name: "Download the certificate" }).click();
  if ((await saved).suggestedFilename() !== "ca.crt") await fail("the certificate is not given out");

  // Without scripts it is the same page, with a link to go on by.
  const plain = await (await visit(context.browser(), { javaScriptEnabled: false })).newPage();
  await plain.goto(given.plain);
  await plain.getByRole("link", { name: "Open the server securely" }).waitFor();
  if (await plain.locator("#check").isVisible()) await fail("without scripts the page says that it tries something");

  // A browser that has the root goes on by itself, and is warned of nothing.
  const friend = await context.newPage();
  await friend.goto(given.plain);
  await friend.waitForURL(/^https:/, { waitUntil: "commit" });
  await friend.getByRole("heading", { level: 1 }).waitFor();

  // The root becomes trusted while the page is open: until then nothing comes through.
  const page = await (await browse("", { ignoreHTTPSErrors: true })).newPage();
  const home = (url) => url.pathname === "/trusted";
  await page.route(home, (route) => route.abort());
  await page.goto(`${given.plain}/trust/de`);
  await page.getByText("Dieses Gerät vertraut dem Server noch nicht.").waitFor();
  await page.unroute(home);
  await page.getByRole("button", { name: "Noch einmal prüfen" }).click();
  await page.waitForURL(/^https:/, { waitUntil: "commit" });
  await page.getByRole("heading", { level: 1 }).waitFor();
});
