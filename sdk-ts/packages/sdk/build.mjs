// Builds the SDK twice: modules for import, and CommonJS for require. Nothing is built when nothing is newer.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

process.chdir(dirname(fileURLToPath(import.meta.url)));
const compile = (project) => {
  const { status } = spawnSync(process.execPath, ["../../../node_modules/typescript/bin/tsc", "-p", project], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
};
// The contract that the host for tests serves comes first.
const contract = "hearth/effects/v1/effects_pb";
const made = `../abi/dist/${contract}.js`;
if (!existsSync(made) || statSync(made).mtimeMs < statSync(`../abi/gen/${contract}.ts`).mtimeMs) compile("../abi");

const sources = readdirSync("src", { recursive: true, withFileTypes: true }).filter((f) => f.isFile()).map((f) => join(f.parentPath, f.name));
const newest = Math.max(...[...sources, "package.json", "tsconfig.json", "build.mjs"].map((f) => statSync(f).mtimeMs));
if (existsSync("dist/.built") && statSync("dist/.built").mtimeMs > newest) process.exit(0);

rmSync("dist", { recursive: true, force: true });
compile(".");
const scripts = sources.filter((f) => f.endsWith(".ts"));
await build({ absWorkingDir: process.cwd(), entryPoints: scripts, outdir: "dist/cjs", outbase: "src", format: "cjs", platform: "node", target: "node20", logLevel: "warning" });
// The types of both are the same, but for a compiler they are of the kind of the package they lie in.
for (const file of readdirSync("dist/esm", { recursive: true }).map(String).filter((f) => f.endsWith(".d.ts"))) {
  mkdirSync(dirname(join("dist/cjs", file)), { recursive: true });
  copyFileSync(join("dist/esm", file), join("dist/cjs", file));
}
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
writeFileSync("dist/esm/package.json", '{ "type": "module", "sideEffects": false }\n');
writeFileSync("dist/.built", "");
