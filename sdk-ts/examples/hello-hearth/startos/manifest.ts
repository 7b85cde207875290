import { setupManifest } from "@start9labs/start-sdk";

export const manifest = setupManifest({
  id: "hello-hearth",
  title: "Hello Hearth",
  license: "MIT",
  packageRepo: "https://github.com/hearthos/hearth",
  upstreamRepo: "https://git.lighttpd.net/lighttpd/lighttpd1.4",
  marketingUrl: "https://www.lighttpd.net/",
  donationUrl: null,
  description: {
    short: "A greeting on a page of your own",
    long: "Serves one page with a greeting. The words and the colour are yours to choose; the page keeps them over restarts, updates and restores.",
  },
  volumes: ["main"],
  images: {
    main: { source: { dockerTag: "hello-hearth" }, arch: ["x86_64", "aarch64"] },
  },
  dependencies: {},
});
