// Bundles the package's code with the SDK into javascript/index.js, the one CommonJS file that the runtime loads.
import { build } from "esbuild";
import { rmSync } from "node:fs";

rmSync("javascript", { recursive: true, force: true });
await build({
  entryPoints: ["package.ts"],
  outfile: "javascript/index.js",
  bundle: true,
  platform: "node",
  target: "node22",
  format: "cjs",
  charset: "utf8",
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "none",
  logLevel: "warning",
});
