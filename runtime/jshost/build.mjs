// Bundles the program into one file, dist/index.mjs, and the licences of what is inside beside it. With --test it
// bundles the tests and the packages they run instead.
import { build } from "esbuild";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
process.chdir(here);

const common = {
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
  banner: { js: 'import { createRequire as hearthRequire } from "node:module"; const require = hearthRequire(import.meta.url);' },
};

/** Collects the licence texts of the packages that have a file in the bundle. */
function licences(inputs) {
  const texts = new Map();
  for (const input of inputs) {
    const at = input.lastIndexOf("node_modules/");
    if (at < 0) continue;
    const name = input.slice(at + "node_modules/".length).split("/").slice(0, input.slice(at).split("/")[1].startsWith("@") ? 2 : 1).join("/");
    const dir = join(input.slice(0, at), "node_modules", name);
    const file = ["LICENSE", "LICENSE.md", "license"].map((f) => join(dir, f)).find((f) => existsSync(f));
    const { version, license } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));
    texts.set(name, `${name} ${version ?? ""} (${license ?? "see below"})\n\n${file ? readFileSync(file, "utf8") : ""}`);
  }
  return [...texts.values()].join("\n\n----------------------------------------\n\n");
}

if (process.argv.includes("--test")) {
  rmSync("dist/test", { recursive: true, force: true });
  await build({ ...common, entryPoints: readdirSync("test").filter((f) => f.endsWith(".test.ts")).map((f) => join("test", f)), outdir: "dist/test", outExtension: { ".js": ".mjs" }, packages: "bundle" });
} else {
  rmSync("dist", { recursive: true, force: true });
  mkdirSync("dist");
  const result = await build({ ...common, entryPoints: ["src/main.ts"], outfile: "dist/index.mjs", minifySyntax: true, minifyWhitespace: true, metafile: true });
  writeFileSync("dist/LICENSES.txt", licences(Object.keys(result.metafile.inputs)));
  const bytes = Object.values(result.metafile.outputs)[0].bytes;
  console.log(`${relative(here, "dist/index.mjs")}: ${Math.round(bytes / 1024)} KiB`);
}
