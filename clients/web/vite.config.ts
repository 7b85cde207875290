import { svelte } from "@sveltejs/vite-plugin-svelte";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { chunks } from "./build/chunks.js";
import { contract } from "./build/contract.js";
import { pack } from "./build/pack.js";
import { texts } from "./build/texts.js";

const api = fileURLToPath(new URL("../../sdk-ts/packages/api/", import.meta.url));
/** Where `npm run dev` finds a server: that of `make dev`. */
const server = process.env["HEARTH_PAGE_SERVER"] ?? "https://localhost:8443";

export default defineConfig({
  plugins: [svelte(), contract(), texts(), pack()],
  resolve: {
    alias: [
      { find: /^@hearthos\/api\/client$/, replacement: `${api}src/index.ts` },
      { find: /^@hearthos\/api\/kept$/, replacement: `${api}src/kept.ts` },
      { find: /^@hearthos\/api\/(.*)$/, replacement: `${api}gen/$1.ts` },
    ],
    ...(process.env["VITEST"] ? { conditions: ["browser"] } : {}),
  },
  // Tests, too, are of what a browser has: what follows a change does so there alone.
  ...(process.env["VITEST"] ? { ssr: { resolve: { conditions: ["browser"] } } } : {}),
  build: {
    outDir: "bundle/dist",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    manifest: true,
    // Of the server the page, of a registry the catalogue.
    rolldownOptions: {
      input: { index: "index.html", catalogue: "catalogue.html" },
      output: { codeSplitting: { groups: chunks(fileURLToPath(new URL(".", import.meta.url))) } },
    },
  },
  // All that pages import is found before the first of them is asked for, so that none is loaded anew for it.
  optimizeDeps: { entries: ["index.html", "catalogue.html", "src/**/*.svelte"] },
  server: {
    proxy: Object.fromEntries(
      ["^/hearth\\.", "^/transfer/", "^/ca\\.crt$"].map((path) => [path, { target: server, secure: false, headers: { origin: server } }]),
    ),
  },
  worker: { format: "es" },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
