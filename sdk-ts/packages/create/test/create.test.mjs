import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../bin/create.mjs", import.meta.url));
// Below this folder the modules of the workspace are found, so what is made can be checked without an install.
const scratch = fileURLToPath(new URL("..", import.meta.url));

function create(t, ...args) {
  const folder = mkdtempSync(join(scratch, ".test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { cwd: folder, encoding: "utf8", input: "" });
  return { folder, status, said: stdout + stderr };
}

test("what is made compiles, and its own test passes", (t) => {
  const { folder, status, said } = create(t, "page", "--yes", "--no-install", "--title", 'A "quoted" title', "--env", "GREETING=Hello \"you\"", "--env", "DATA_DIR", "--command", "serve --word 'two words'");
  assert.equal(status, 0, said);
  const project = join(folder, "page");
  assert.deepEqual(readdirSync(project).sort(), [".gitignore", "LICENSE", "checks", "icon.svg", "instructions.md", "package.json", "package.test.mjs", "package.ts", "tsconfig.json"]);
  const code = readFileSync(join(project, "package.ts"), "utf8");
  assert.match(code, /command: \["serve", "--word", "two words"\]/);
  assert.match(code, /DATA_DIR: settings\.dataDir/);
  for (const script of ["check", "test"]) {
    const { status, stdout, stderr } = spawnSync("npm", ["run", "--silent", script], { cwd: project, encoding: "utf8", env: { ...process.env, NODE_TEST_CONTEXT: undefined } });
    assert.equal(status, 0, stdout + stderr);
  }
});

test("what is said wrongly is refused, and nothing is written", (t) => {
  for (const [args, why] of [
    [["page", "--id", "Not An Id"], /--id Not An Id: an id has small letters/],
    [["page", "--port", "70000"], /--port 70000: a port is a number/],
    [["page", "--env", "1X"], /--env 1X: a variable is NAME or NAME=value/],
    [["page", "--data", "data"], /begins with a slash/],
    [["page", "other"], /one folder is enough/],
    [["page", "--colour", "red"], /--colour/],
    [["page", "--packages", "nowhere"], /there is no hearthos-sdk/],
  ]) {
    const { folder, status, said } = create(t, ...args, "--yes", "--no-install");
    assert.equal(status, 2, said);
    assert.match(said, why);
    assert.deepEqual(readdirSync(folder), []);
  }
});

test("a folder that holds something is left alone", (t) => {
  const { folder } = create(t, "--help");
  writeFileSync(join(folder, "mine"), "");
  const { status, stderr } = spawnSync(process.execPath, [program, ".", "--id", "x", "--yes", "--no-install"], { cwd: folder, encoding: "utf8" });
  assert.equal(status, 2);
  assert.match(stderr, /is not empty/);
  assert.deepEqual(readdirSync(folder), ["mine"]);
});
