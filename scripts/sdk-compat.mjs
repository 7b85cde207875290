// Type-checks packages that were written for StartOS against @hearthos/sdk/startos, with nothing changed but the import,
// and against the SDK they were written with. Writes the table of docs/compatibility.md between its marks with --write.
//
//     PACKAGES_DIR=... node scripts/sdk-compat.mjs [--write]
//
// PACKAGES_DIR holds checkouts, one a folder. Nothing in them is changed: their code is copied to .cache/sdk-compat. A
// package that takes something from another one's code takes it from the checkout of that one; the SDK that it is held against
// is 2.0.9, whatever it pins.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const packages = resolve(process.env.PACKAGES_DIR ?? "");
const scratch = join(root, ".cache/sdk-compat");
if (!process.env.PACKAGES_DIR || !existsSync(packages)) {
  console.error("usage: PACKAGES_DIR=... node scripts/sdk-compat.mjs [--write]: a folder with checkouts of package repositories");
  process.exit(2);
}

const original = "@start9labs/start-sdk";
const ours = "@hearthos/sdk/startos";

/** The packages of the folder whose code is for the SDK, with the version that each pins. */
const all = readdirSync(packages)
  .filter((name) => existsSync(join(packages, name, "startos")) && existsSync(join(packages, name, "package.json")))
  .map((name) => {
    const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8"));
    return { name, pinned: dependencies[original] ?? devDependencies[original], commit: spawnSync("git", ["-C", join(packages, name), "rev-parse", "--short=12", "HEAD"], { encoding: "utf8" }).stdout.trim() };
  })
  .filter(({ pinned }) => pinned);

/** Copies the code of all packages, with the import changed where another is wanted. */
function copy(to, from) {
  rmSync(to, { recursive: true, force: true });
  for (const { name } of all) {
    cpSync(join(packages, name, "startos"), join(to, name, "startos"), { recursive: true });
    if (from === original) continue;
    for (const file of readdirSync(join(to, name, "startos"), { recursive: true }).map(String).filter((f) => f.endsWith(".ts"))) {
      const path = join(to, name, "startos", file);
      const text = readFileSync(path, "utf8");
      const changed = text.replace(/(from\s+|import\s+|import\(\s*)(['"])@start9labs\/start-sdk(['"])/g, `$1$2${ours}$3`);
      if (changed !== text) writeFileSync(path, changed);
    }
  }
}

/** Type-checks what was copied, all of it in one go, and gives the errors of each package. */
function check(dir, paths) {
  // What the original's own tsconfig says for packages.
  const compilerOptions = { target: "ES2022", module: "preserve", moduleResolution: "bundler", esModuleInterop: true, strict: true, skipLibCheck: true, noEmit: true, types: ["node"], typeRoots: [join(root, "node_modules/@types")], paths };
  writeFileSync(join(dir, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*/startos/**/*.ts"], exclude: [] }));
  const { stdout, status, signal } = spawnSync(process.execPath, ["--max-old-space-size=6000", join(root, "node_modules/typescript/bin/tsc"), "-p", dir, "--pretty", "false"], { encoding: "utf8", cwd: dir, maxBuffer: 1 << 28 });
  if (signal || (status !== 0 && !stdout)) throw new Error(`the type check of ${relative(root, dir)} ended with ${signal ?? status}`);
  writeFileSync(join(dir, "errors.txt"), stdout);
  const errors = new Map(all.map(({ name }) => [name, []]));
  let last;
  for (const line of stdout.split("\n")) {
    const found = /^([^/\s]+)\/.*error TS/.exec(line);
    if (found) last = errors.get(found[1]);
    if (line) last?.push(line);
  }
  return errors;
}

const others = Object.fromEntries(all.map(({ name }) => [`${name}/*`, [`./${name}/*`]]));
mkdirSync(scratch, { recursive: true });
copy(join(scratch, "original"), original);
copy(join(scratch, "ours"), ours);
const sdk = join(root, "sdk-ts/packages/sdk");
const built = spawnSync("npm", ["run", "build", "--silent", "--workspace", "sdk-ts/packages/sdk"], { cwd: root, stdio: "inherit" }); // its types as they are now
if (built.status !== 0) process.exit(1);
const withOurs = check(join(scratch, "ours"), { ...others, [ours]: [join(sdk, "dist/esm/startos/index.d.ts")] });
const withTheirs = check(join(scratch, "original"), { ...others, [original]: [join(root, "node_modules", original)] });

const first = (errors) => errors.find((line) => line.includes("error TS"));
const rows = all.map(({ name, pinned, commit }) => ({ name, pinned, commit, theirs: withTheirs.get(name).length === 0, ours: withOurs.get(name).length === 0 }));
const both = rows.filter((row) => row.theirs && row.ours).length;
for (const row of rows) {
  const why = row.ours ? "" : `  ${first(withOurs.get(row.name))?.slice(0, 220)}`;
  console.log(`${row.ours ? "ok    " : row.theirs ? "FAILED" : "neither"} ${row.name} (${row.pinned})${row.theirs ? "" : ", not with the original either"}${why}`);
}
const theirs = rows.filter((row) => row.theirs).length;
console.log(`${rows.filter((row) => row.ours).length} of ${rows.length} compile with ${ours}; ${both} of the ${theirs} that compile with ${original} 2.0.9`);

if (process.argv.includes("--write")) {
  const page = join(root, "docs/compatibility.md");
  const [begin, end] = ["<!-- sdk-compat begins -->", "<!-- sdk-compat ends -->"];
  const text = readFileSync(page, "utf8");
  const table = [
    begin,
    "",
    `Packages whose code was type-checked with \`${ours}\` in place of \`${original}\` and nothing else changed, and with ${original} 2.0.9, whatever version they pin. ${both} of the ${theirs} that compile with the original compile with ours. Those that do not compile with either are for version 1 of it, or take something from a repository or a library that was not there. The table is written by [scripts/sdk-compat.mjs](../scripts/sdk-compat.mjs).`,
    "",
    "| package | commit | SDK pinned | with the original 2.0.9 | with ours |",
    "| --- | --- | --- | --- | --- |",
    ...rows.map((row) => `| ${row.name} | ${row.commit} | ${row.pinned} | ${row.theirs ? "compiles" : "does not"} | ${row.ours ? "compiles" : "does not"} |`),
    "",
    end,
  ].join("\n");
  const at = text.indexOf(begin);
  writeFileSync(page, at < 0 ? `${text.trimEnd()}\n\n## Compiled with our SDK\n\n${table}\n` : text.slice(0, at) + table + text.slice(text.indexOf(end) + end.length));
}
