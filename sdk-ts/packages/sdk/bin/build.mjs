#!/usr/bin/env node
// Bundles a package's code with all it imports into javascript/index.js, the one CommonJS file that the runtime loads, and
// writes beside it which of its places is which of the sources, for errors. Run in the folder of the package; package.ts there
// is the code, if no other file is named.
import { rmSync } from "node:fs";
import { build } from "esbuild";

rmSync("javascript", { recursive: true, force: true });
await build({
  entryPoints: [process.argv[2] ?? "package.ts"],
  outfile: "javascript/index.js",
  bundle: true,
  platform: "node",
  target: "node22",
  format: "cjs",
  charset: "utf8",
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "none",
  sourcemap: "linked",
  sourcesContent: false,
  logLevel: "warning",
}).catch(() => process.exit(1)); // esbuild has told the errors
