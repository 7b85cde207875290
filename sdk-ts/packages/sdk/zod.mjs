// Writes src/startos/zod-all.ts and zod-core.ts: zod by its names, without the texts in forty languages that come with
// its object z and make up half of it. Run it when the version of zod changes; a test holds them to it.
import { writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { z } from "zod";

const listed = (names) => names.sort().map((name) => `  ${name},\n`).join("");

/** The files by their names. */
export const files = {
  "zod-all.ts": `// Made by zod.mjs.
import { config } from "zod";
import { en } from "zod/v4/locales";

config(en());

export type * from "zod";
export * as core from "./zod-core.js";
export {
${listed(Object.keys(z).filter((name) => !["core", "locales"].includes(name)))}} from "zod";
`,
  "zod-core.ts": `// Made by zod.mjs.
export type * from "zod/v4/core";
export {
${listed(Object.keys(z.core).filter((name) => name !== "locales"))}} from "zod/v4/core";
`,
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const [name, text] of Object.entries(files)) writeFileSync(fileURLToPath(new URL(`src/startos/${name}`, import.meta.url)), text);
}
