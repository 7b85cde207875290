// A package that needs the sample: it serves the sample's page from the sample's volume, so its page answers only where the
// dependency is there, and says what that one says.
import { definePackage } from "@hearthos/sdk";

export const { manifest, init, uninit, main, createBackup, actions } = definePackage({
  about: {
    id: "hello-guest",
    title: "Hello Guest",
    license: "MIT",
    short: "The page of another package",
    long: "Serves the page of the sample package, from its volume.",
    packageRepo: "https://github.com/hearthos/hearth",
    upstreamRepo: "https://git.lighttpd.net/lighttpd/lighttpd1.4",
    website: "https://www.lighttpd.net/",
  },
  versions: [{ version: "1.0.0:0", notes: "The first release." }],
  images: { main: { tag: "hello-hearth", arch: ["x86_64", "aarch64"] } },
  volumes: ["main"],
  needs: { "hello-hearth": { versions: ">=1.0.0:0", why: "Its page is the one that is shown", title: "Hello Hearth" } },
  interfaces: { ui: { port: 80, name: "Page", description: "The page of the other package" } },
  run: async () => ({
    web: {
      image: "main",
      mounts: { "/data": { from: "hello-hearth", volume: "main" }, "/etc/hello-hearth": { assets: "" } },
      command: ["lighttpd", "-D", "-f", "/etc/hello-hearth/lighttpd.conf"],
      ready: { port: 80, name: "Page", well: "The page is ready", ill: "The page is not ready" },
    },
  }),
});
