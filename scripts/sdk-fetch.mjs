// Fetches the public packages that docs/compatibility.md lists, each at the commit it was tried at, for sdk-compat.mjs and
// 'make compat'. They are other people's: they are kept outside of the repository, or in its .cache, and nothing of them is run.
//
//     PACKAGES_FROM=... node scripts/sdk-fetch.mjs DIR [NAME...]
//
// PACKAGES_FROM is what stands before the names of the repositories: the address of an account at a host of git that this
// machine reaches, or a folder with clones. What is there at its commit stays; what cannot be fetched is named, and the end is 1.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const from = process.env.PACKAGES_FROM?.replace(/\/$/, "");
const [folder, ...names] = process.argv.slice(2);
if (!from || !folder) stop("usage: PACKAGES_FROM=... node scripts/sdk-fetch.mjs DIR [NAME...]: where the repositories are, and a folder for them");
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

/** Makes a checkout, whole or not at all; answers what was in the way. */
function fetched(at, name, commit) {
  if (existsSync(at)) return git(["-C", at, "rev-parse", "HEAD"]).out.startsWith(commit) ? null : "there is something else in its place; remove it first";
  const partial = `${at}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const cloned = git(["clone", "--quiet", "--no-checkout", "--no-recurse-submodules", "--", `${from}/${name}`, partial]);
  const done = cloned.ok ? git(["-C", partial, "checkout", "--quiet", "--detach", commit]) : cloned;
  if (done.ok) renameSync(partial, at);
  else rmSync(partial, { recursive: true, force: true });
  return done.ok ? null : `cannot be fetched: ${done.err}`;
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
