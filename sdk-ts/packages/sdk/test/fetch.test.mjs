// The script that fetches public packages, from clones and mirrors in folders, and from a host of git.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
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
  const run = fetching(dir, join(dir, "from"));
  list(commits[0]);
  const to = join(dir, "to");
  const all = run(to);
  assert.equal(all.status, 1);
  assert.match(all.text, /^one-startos: at [0-9a-f]{12}$/m);
  assert.match(all.text, /^gone-startos: cannot be fetched; /m);
  assert.equal(readFileSync(join(to, "one-startos/package.json"), "utf8"), "first");
  assert.ok(!existsSync(join(to, "gone-startos")) && !existsSync(join(to, "gone-startos.partial")));
  assert.deepEqual(run(to, "one-startos").status, 0, "what is there stays");

  list(commits[1]);
  assert.match(run(to, "one-startos").text, /something else in its place/);
  assert.equal(run(to, "other-startos").status, 2);
  assert.match(run(join(root, "docs/packages"), "one-startos").text, /is in the repository/);
  assert.ok(!existsSync(join(root, "docs/packages")));
});

test("a package comes from the first place that has it, and from a host of git by its own address", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "sdk-fetch-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const git = (...args) => spawnSync("git", ["-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.org", ...args], { encoding: "utf8" }).stdout.trim();
  git("init", "--quiet", "work");
  writeFileSync(join(dir, "work/package.json"), "here");
  git("-C", "work", "add", "package.json");
  git("-C", "work", "commit", "--quiet", "-m", "first");
  git("clone", "--quiet", "--mirror", "work", "mirror/one-startos.git");
  git("--git-dir", "mirror/one-startos.git", "update-server-info");
  writeFileSync(join(dir, "list.md"), `| one-startos | ${git("-C", "work", "rev-parse", "HEAD").slice(0, 12)} | 2.0.9 |\n`);
  const host = createServer((q, s) => {
    const at = join(dir, "mirror", new URL(q.url, "http://host").pathname.replace(/^\/account\/one-startos(\.git)?\//, "one-startos.git/"));
    if (existsSync(at)) s.end(readFileSync(at));
    else s.writeHead(404).end();
  });
  await new Promise((done) => host.listen(0, "127.0.0.1", done));
  t.after(() => host.close());
  const account = `http://127.0.0.1:${host.address().port}/account`;
  const fetched = (to) => readFileSync(join(dir, to, "one-startos/package.json"), "utf8");

  assert.equal(fetching(dir, `${join(dir, "absent")} ${join(dir, "mirror")}/`)(join(dir, "a")).status, 0);
  assert.equal(fetched("a"), "here");
  assert.equal((await fetchingBeside(dir, account)(join(dir, "b"))).status, 0);
  assert.equal(fetched("b"), "here");
  assert.equal((await fetchingBeside(dir, "")(join(dir, "c"), `${account}/one-startos.git`)).status, 0);
  assert.equal(fetched("c"), "here");
  const gone = await fetchingBeside(dir, `${account}/elsewhere`)(join(dir, "d"));
  assert.equal(gone.status, 1);
  assert.match(gone.text, /^one-startos: cannot be fetched; where there is no way to its host, clone it elsewhere and name the folder of the clone in PACKAGES_FROM$/m);
  assert.match((await fetchingBeside(dir, "")(join(dir, "e"), "one-startos")).text, /^usage: PACKAGES_FROM=/);
});

const script = join(root, "scripts/sdk-fetch.mjs");
const environment = (dir, from) => ({ ...process.env, PACKAGES_FROM: from, PACKAGES_LIST: join(dir, "list.md") });

function fetching(dir, from) {
  return (to, ...names) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, to, ...names], { encoding: "utf8", env: environment(dir, from) });
    return { status, text: stdout + stderr };
  };
}

// While it runs, this process answers as a host.
function fetchingBeside(dir, from) {
  return (to, ...names) => new Promise((done) => execFile(process.execPath, [script, to, ...names], { env: environment(dir, from) }, (error, stdout, stderr) => done({ status: error?.code ?? 0, text: stdout + stderr })));
}
