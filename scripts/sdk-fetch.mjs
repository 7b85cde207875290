// Fetches the public packages that docs/compatibility.md lists, each at the commit it was tried at, for sdk-compat.mjs and
// 'make compat'. They are other people's: they are kept outside of the repository, or in its .cache, and nothing of them is run.
//
//     PACKAGES_FROM=... node scripts/sdk-fetch.mjs DIR [NAME | ADDRESS...]
//
// PACKAGES_FROM are the places that have the repositories, divided by spaces and tried one after the other: the address of an account
// at a host of git, as in "https://git.example.org/account", or a folder with clones or mirrors (NAME or NAME.git). A repository by an
// address of its own needs none. What is there at its commit stays; what cannot be fetched is named with what can be done, and the end is 1.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const places = (process.env.PACKAGES_FROM ?? "").split(/\s+/).filter(Boolean).map((place) => place.replace(/\/+$/, ""));
const [folder, ...wanted] = process.argv.slice(2);
const nameOf = (word) => word.replace(/\/+$/, "").split("/").at(-1).replace(/\.git$/, "");
const own = new Map(wanted.filter((word) => word.includes("/")).map((address) => [nameOf(address), address.replace(/\/+$/, "")]));
const names = wanted.map(nameOf);
if (!folder || (places.length === 0 && (names.length === 0 || own.size < names.length))) {
  stop("usage: PACKAGES_FROM=... node scripts/sdk-fetch.mjs DIR [NAME | ADDRESS...]: where the repositories are, a folder for them, and which; those with an address of their own need no PACKAGES_FROM");
}
const dir = resolve(folder);
const within = relative(root, dir);
if (!within.startsWith("..") && !isAbsolute(within) && !within.startsWith(".cache/")) stop(`${dir} is in the repository, which keeps nothing of other people's: name a folder outside of it, or in .cache`);

const page = readFileSync(process.env.PACKAGES_LIST ?? join(root, "docs/compatibility.md"), "utf8");
const listed = new Map([...page.matchAll(/^\| ([a-z0-9][a-z0-9.-]*) \| ([0-9a-f]{12,40}) \|/gm)].map(([, name, commit]) => [name, commit]));
const unknown = names.filter((name) => !listed.has(name));
if (unknown.length > 0) stop(`not in the list: ${unknown.join(", ")}`);

mkdirSync(dir, { recursive: true });
let failed = 0;
for (const [name, commit] of listed) {
  if (names.length > 0 && !names.includes(name)) continue;
  const told = fetched(join(dir, name), name, commit);
  if (told) failed++;
  console.log(`${name}: ${told ?? `at ${commit}`}`);
}
process.exitCode = failed > 0 ? 1 : 0;

/** Makes a checkout, whole or not at all, from the first place that has it; answers what was in the way. */
function fetched(at, name, commit) {
  if (existsSync(at)) return git(["-C", at, "rev-parse", "HEAD"]).out.startsWith(commit) ? null : "there is something else in its place; remove it first";
  const told = [];
  for (const source of sources(name)) {
    const why = cloned(source, at, commit);
    if (!why) return null;
    told.push(`${source}: ${why}`);
  }
  return `cannot be fetched; where there is no way to its host, clone it elsewhere and name the folder of the clone in PACKAGES_FROM\n  ${told.join("\n  ")}`;
}

/** Where a repository may be: addresses, and those folders that there are. */
function sources(name) {
  if (own.has(name)) return [own.get(name)];
  return places.flatMap((place) => (/^[a-z][a-z+]*:\/\//.test(place) ? [`${place}/${name}`] : [`${place}/${name}`, `${place}/${name}.git`].filter((at, i) => i === 0 || existsSync(at))));
}

function cloned(source, at, commit) {
  const partial = `${at}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const clone = git(["clone", "--quiet", "--no-checkout", "--no-recurse-submodules", "--", source, partial]);
  const done = clone.ok ? git(["-C", partial, "checkout", "--quiet", "--detach", commit]) : clone;
  if (done.ok) renameSync(partial, at);
  else rmSync(partial, { recursive: true, force: true });
  return done.ok ? null : done.err;
}

/** Runs git, which asks nobody for a password, runs no program for a repository, and has ten minutes. */
function git(args) {
  const calm = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never", "-c", "filter.lfs.smudge=", "-c", "filter.lfs.process=", "-c", "filter.lfs.required=false"];
  const { status, stdout, stderr, error } = spawnSync("git", [...calm, ...args], { encoding: "utf8", timeout: 600_000, env: { ...process.env, GIT_TERMINAL_PROMPT: "0" } });
  return { ok: status === 0, out: stdout ?? "", err: error?.message ?? (stderr ?? "").trim().split("\n").at(-1) };
}

function stop(why) {
  console.error(why);
  process.exit(2);
}
