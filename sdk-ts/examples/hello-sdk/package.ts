import { definePackage, field, form } from "@hearthos/sdk";
import { renderPage } from "./page";
import { versions } from "./versions";

export const { manifest, init, uninit, main, createBackup, actions } = definePackage({
  about: {
    id: "hello-sdk",
    title: "Hello SDK",
    license: "MIT",
    short: "A greeting on a page of your own",
    long: "Serves one page with a greeting. The words and the colour are yours to choose; the page keeps them over restarts, updates and restores.",
    packageRepo: "https://github.com/hearthos/hearth",
    upstreamRepo: "https://git.lighttpd.net/lighttpd/lighttpd1.4",
    website: "https://www.lighttpd.net/",
  },
  versions,
  images: { main: { tag: "hello-hearth", arch: ["x86_64", "aarch64"] } },
  volumes: ["main"],
  settings: {
    form: form({
      greeting: field.text({ name: "Greeting", description: "What the page says, in large letters.", default: "Hello from Hearth", maxLength: 80 }),
      color: field.color({ name: "Colour", description: "The background of the page.", default: "#b5442c" }),
    }),
    action: { name: "Set greeting", description: "Choose the words and the colour of the page." },
    task: { severity: "important", reason: "Choose what your page says" },
  },
  limits: { memory: "768M", processes: 500 },
  metrics: { page: { name: "Size of the page", unit: "B", read: async ({ volumes }) => ((await volumes.main.readFile("www/index.html")) as Buffer).length } },
  interfaces: { ui: { port: 80, name: "Page", description: "The page with the greeting" } },
  run: async ({ settings, volumes }) => {
    await volumes.main.writeFile("www/index.html", renderPage(settings));
    console.info(`the page says: ${settings.greeting}`);
    const mounts = { "/data": "main", "/etc/hello-hearth": { assets: "" } } as const;
    return {
      prepare: { image: "main", mounts, command: ["chown", "-R", "www-data:www-data", "/data/www"], once: true },
      web: {
        image: "main",
        mounts,
        command: ["lighttpd", "-D", "-f", "/etc/hello-hearth/lighttpd.conf"],
        after: ["prepare"],
        ready: { port: 80, name: "Page", well: "The page is ready", ill: "The page is not ready" },
      },
    };
  },
});
