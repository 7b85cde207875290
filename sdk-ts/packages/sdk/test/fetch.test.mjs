// The script that fetches public packages, from clones in a folder.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../..", import.meta.url));

test("public packages are fetched at the commits of the list, and what cannot be is named", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "sdk-fetch-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const there = join(dir, "from/one-startos");
  const git = (...args) => spawnSync("git", ["-C", there, "-c", "user.name=a", "-c", "user.email=a@example.org", ...args], { encoding: "utf8" }).stdout.trim();
  mkdirSync(there, { recursive: true });
  git("init", "--quiet");
  const commits = ["first", "second"].map((text) => {
    writeFileSync(join(there, "package.json"), text);
    git("add", "package.json");
    git("commit", "--quiet", "-m", text);
    return git("rev-parse", "HEAD");
  });
  const list = (commit) => writeFileSync(join(dir, "list.md"), `| one-startos | ${commit.slice(0, 12)} | 2.0.9 |\n| gone-startos | 0123456789ab | 2.0.9 |\n`);
  const run = (to, ...names) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "scripts/sdk-fetch.mjs"), to, ...names], { encoding: "utf8", env: { ...process.env, PACKAGES_FROM: join(dir, "from"), PACKAGES_LIST: join(dir, "list.md") } });
    return { status, text: stdout + stderr };
  };
  list(commits[0]);
  const to = join(dir, "to");
  const all = run(to);
  assert.equal(all.status, 1);
  assert.match(all.text, /^one-startos: at [0-9a-f]{12}$/m);
  assert.match(all.text, /^gone-startos: cannot be fetched: /m);
  assert.equal(readFileSync(join(to, "one-startos/package.json"), "utf8"), "first");
  assert.ok(!existsSync(join(to, "gone-startos")) && !existsSync(join(to, "gone-startos.partial")));
  assert.deepEqual(run(to, "one-startos").status, 0, "what is there stays");

  list(commits[1]);
  assert.match(run(to, "one-startos").text, /something else in its place/);
  assert.equal(run(to, "other-startos").status, 2);
  assert.match(run(join(root, "docs/packages"), "one-startos").text, /is in the repository/);
  assert.ok(!existsSync(join(root, "docs/packages")));
});
