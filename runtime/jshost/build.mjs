// Bundles the program into one file, dist/index.mjs, what runs packages of StartOS 0.3 into another, and the licences of what is inside beside it. With --test it
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

// gRPC loads it only to serve statistics of itself, which nobody asks for here; it is half of the bundle.
const without = {
  name: "without-proto-loader",
  setup: (b) => {
    b.onResolve({ filter: /^@grpc\/proto-loader$/ }, (args) => ({ path: args.path, namespace: "absent" }));
    b.onLoad({ filter: /.*/, namespace: "absent" }, () => ({ contents: "module.exports = {};" }));
  },
};

/** Collects the licence texts of the packages that have a file in the bundle. */
function licences(inputs) {
  const texts = new Map();
  for (const input of inputs) {
    const at = input.lastIndexOf("node_modules/");
    if (at < 0 || input.startsWith("absent:")) continue;
    const name = input.slice(at + "node_modules/".length).split("/").slice(0, input.slice(at).split("/")[1].startsWith("@") ? 2 : 1).join("/");
    const dir = join(input.slice(0, at), "node_modules", name);
    const file = ["LICENSE", "LICENSE.md", "license"].map((f) => join(dir, f)).find((f) => existsSync(f));
    const { version, license } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));
    texts.set(name, `${name} ${version ?? ""} (${license ?? "see below"})\n\n${file ? readFileSync(file, "utf8") : ""}`);
  }
  return [...texts.values()].join("\n\n----------------------------------------\n\n");
}

if (process.argv.includes("--test")) {
  for (const d of ["dist/test", "dist/fixtures"]) rmSync(d, { recursive: true, force: true });
  const packages = { "hello-hearth": "../../sdk-ts/examples/hello-hearth/startos/index.ts" };
  for (const name of readdirSync("test/packages").filter((f) => !f.endsWith(".json"))) packages[name] = join("test/packages", name, "index.ts");
  for (const [name, entry] of Object.entries(packages)) {
    await build({ ...common, entryPoints: [entry], outfile: `dist/fixtures/${name}/index.js`, format: "cjs", sourcemap: "linked", sourcesContent: false, banner: {} });
  }
  await build({ ...common, entryPoints: readdirSync("test").filter((f) => f.endsWith(".test.ts")).map((f) => join("test", f)), outdir: "dist/test", outExtension: { ".js": ".mjs" }, packages: "bundle" });
} else {
  mkdirSync("dist", { recursive: true });
  const inputs = [];
  for (const [entry, outfile] of [["src/main.ts", "dist/index.mjs"], ["src/legacy/index.ts", "dist/legacy.mjs"]]) {
    const result = await build({ ...common, entryPoints: [entry], outfile, minifySyntax: true, minifyWhitespace: true, metafile: true, plugins: [without] });
    inputs.push(...Object.keys(result.metafile.inputs));
    const bytes = Object.values(result.metafile.outputs)[0].bytes;
    console.log(`${relative(here, outfile)}: ${Math.round(bytes / 1024)} KiB`);
  }
  writeFileSync("dist/LICENSES.txt", licences(inputs));
}
