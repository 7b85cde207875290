// Prints the sample written with the original's SDK and with ours side by side: lines of packager code, bundle size, and what
// loading it takes in time and memory, in turns in one run. Then lines and bundles of the other examples.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const samples = {
  "@start9labs/start-sdk": { dir: "sdk-ts/examples/hello-hearth", sources: "startos" },
  "@hearthos/sdk": { dir: "sdk-ts/examples/hello-sdk", sources: "." },
};
// A line of code has something other than a comment or a brace on it.
const isCode = (line) => !/^\s*(\/\/|\/?\*|$)/.test(line);
const rounds = Number(process.argv[2] ?? 7);

const loads = `const before = process.hrtime.bigint(); require(process.argv[1]); const ms = Number(process.hrtime.bigint() - before) / 1e6; global.gc?.(); console.log(JSON.stringify({ ms, rss: process.memoryUsage().rss / 1048576 }));`;
function load(bundle) {
  const { stdout, status, stderr } = spawnSync(process.execPath, ["--expose-gc", "-e", loads, bundle], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}
/** Builds a package; how many lines of code it has, and how large its bundle is. */
function packed(dir, sources) {
  const built = spawnSync("npm", ["run", "build", "--silent"], { cwd: dir, stdio: "inherit" });
  if (built.status !== 0) process.exit(1);
  // The page that both samples serve is the same file.
  const files = readdirSync(join(dir, sources)).filter((file) => file.endsWith(".ts") && file !== "page.ts");
  const lines = files.flatMap((file) => readFileSync(join(dir, sources, file), "utf8").split("\n")).filter(isCode).length;
  const bundle = join(process.cwd(), dir, "javascript/index.js");
  return { lines, bundle, kib: Math.round(statSync(bundle).size / 1024) };
}
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

const figures = Object.entries(samples).map(([name, { dir, sources }]) => {
  return { name, ...packed(dir, sources), loads: [] };
});
const bare = [];
for (let i = 0; i < rounds; i++) {
  for (const figure of figures) figure.loads.push(load(figure.bundle));
  bare.push(load("node:fs"));
}
const nothing = { ms: median(bare.map(({ ms }) => ms)), rss: median(bare.map(({ rss }) => rss)) };
const [theirs, ours] = figures.map(({ name, lines, kib, loads }) => ({ name, lines, kib, ms: median(loads.map(({ ms }) => ms)), mib: median(loads.map(({ rss }) => rss)) - nothing.rss }));
const row = (what, key, digits, unit) => console.log(`${what.padEnd(34)} ${theirs[key].toFixed(digits).padStart(9)} ${ours[key].toFixed(digits).padStart(9)} ${unit.padEnd(4)} ${(ours[key] / theirs[key]).toFixed(2)}x`);
console.log(`${"".padEnd(34)} ${"original".padStart(9)} ${"ours".padStart(9)}`);
row("lines of packager code", "lines", 0, "");
row("bundle", "kib", 0, "KiB");
row("time to load, median", "ms", 1, "ms");
row("memory above a bare node, median", "mib", 1, "MiB");

console.log(`\n${"the other examples, written with ours".padEnd(44)} ${"lines".padStart(5)} ${"KiB".padStart(9)}`);
for (const name of readdirSync("sdk-ts/examples").filter((name) => !name.startsWith("hello-"))) {
  const { lines, kib } = packed(join("sdk-ts/examples", name), ".");
  console.log(`${name.padEnd(44)} ${String(lines).padStart(5)} ${String(kib).padStart(9)}`);
}
