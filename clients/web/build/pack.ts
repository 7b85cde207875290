import { constants, brotliCompressSync } from "node:zlib";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";
import { pages } from "../src/routes.js";

const compressible = /\.(js|css|html|svg|webmanifest|json)$/;

/**
 * Finishes the bundle for the server: each file also in brotli, where that is smaller, and `routes.json`, the first parts of
 * the paths that are pages, so that the server answers others with what they are: nothing.
 */
export function pack(): Plugin {
  let out = "";
  return {
    name: "hearth-pack",
    apply: "build",
    configResolved(config) {
      out = join(config.root, config.build.outDir);
    },
    closeBundle() {
      writeFileSync(join(out, "routes.json"), JSON.stringify(pages));
      for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (!entry.isFile() || !compressible.test(entry.name) || entry.name === "routes.json") continue;
        const raw = readFileSync(path);
        const small = brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
        if (small.length < raw.length) writeFileSync(`${path}.br`, small);
      }
    },
  };
}
