import { sdk, uiPort } from "./sdk";
import { defaults, settings } from "./settings";
import { renderPage } from "./page";

const mounts = sdk.Mounts.of()
  .mountVolume({ volumeId: "main", subpath: null, mountpoint: "/data", readonly: false })
  .mountAssets({ subpath: null, mountpoint: "/etc/hello-hearth" });

export const main = sdk.setupMain(async ({ effects }) => {
  // A change of the file restarts the service, which is when the page is written anew.
  const page = (await settings.read().const(effects)) ?? defaults;
  await sdk.volumes.main.writeFile("www/index.html", renderPage(page));
  console.info(`the page says: ${page.greeting}`);

  const web = sdk.SubContainer.of(effects, { imageId: "main" }, mounts, "web");
  return sdk.Daemons.of(effects)
    .addOneshot("prepare", {
      subcontainer: web,
      exec: { command: ["chown", "-R", "www-data:www-data", "/data/www"] },
      requires: [],
    })
    .addDaemon("web", {
      subcontainer: web,
      exec: { command: ["lighttpd", "-D", "-f", "/etc/hello-hearth/lighttpd.conf"] },
      ready: {
        display: "Page",
        fn: () =>
          sdk.healthCheck.checkPortListening(effects, uiPort, {
            successMessage: "The page is ready",
            errorMessage: "The page is not ready",
          }),
      },
      requires: ["prepare"],
    });
});
