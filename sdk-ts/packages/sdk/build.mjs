// Builds the SDK twice: modules for import, and CommonJS for require. Nothing is built when nothing is newer. What others may
// be reading is replaced when the new one is whole.
//
//     node build.mjs            into dist
//     node build.mjs FOLDER     what npm publishes, into a folder of its own; dist stays as it is
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const own = process.argv[2] === undefined ? null : resolve(process.argv[2]);
process.chdir(dirname(fileURLToPath(import.meta.url)));
const out = own ? join(own, "dist") : `dist.${process.pid}`;
const compile = (...args) => {
  const { status } = spawnSync(process.execPath, ["../../../node_modules/typescript/bin/tsc", ...args], { stdio: "inherit" });
  if (status !== 0) {
    if (!own) rmSync(out, { recursive: true, force: true });
    process.exit(status ?? 1);
  }
};
// The contract that the host for tests serves comes first.
const contract = "hearth/effects/v1/effects_pb";
const made = `../abi/dist/${contract}.js`;
if (!existsSync(made) || statSync(made).mtimeMs < statSync(`../abi/gen/${contract}.ts`).mtimeMs) compile("-p", "../abi");

const sources = readdirSync("src", { recursive: true, withFileTypes: true }).filter((f) => f.isFile()).map((f) => join(f.parentPath, f.name));
const newest = Math.max(...[...sources, "package.json", "tsconfig.json", "build.mjs"].map((f) => statSync(f).mtimeMs));
if (!own && existsSync("dist/.built") && statSync("dist/.built").mtimeMs > newest) process.exit(0);

compile("-p", ".", "--outDir", join(out, "esm"));
const scripts = sources.filter((f) => f.endsWith(".ts"));
await build({ absWorkingDir: process.cwd(), entryPoints: scripts, outdir: join(out, "cjs"), outbase: "src", format: "cjs", platform: "node", target: "node20", logLevel: "warning" });
// The types of both are the same, but for a compiler they are of the kind of the package they lie in.
for (const file of readdirSync(join(out, "esm"), { recursive: true }).map(String).filter((f) => f.endsWith(".d.ts"))) {
  mkdirSync(dirname(join(out, "cjs", file)), { recursive: true });
  copyFileSync(join(out, "esm", file), join(out, "cjs", file));
}
writeFileSync(join(out, "cjs/package.json"), '{ "type": "commonjs" }\n');
writeFileSync(join(out, "esm/package.json"), '{ "type": "module", "sideEffects": false }\n');
writeFileSync(join(out, ".built"), "");
if (own) for (const file of ["package.json", "bin", "s9pk.mk", "tsconfig.base.json"]) cpSync(file, join(own, file), { recursive: true });
else {
  const old = `dist.old.${process.pid}`;
  if (existsSync("dist")) renameSync("dist", old);
  renameSync(out, "dist");
  rmSync(old, { recursive: true, force: true });
}
