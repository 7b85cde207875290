// What is exported has a comment, what runs has an example, and the examples run.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
// A test of node's runner does not begin another one unless it forgets that it is one.
const run = (...args) => {
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...env } = process.env; // nor where another reporter is asked for
  return spawnSync(process.execPath, args, { cwd: at("."), encoding: "utf8", env });
};

test("the reference is what the types say, and the examples in it run", async (t) => {
  const checked = run("reference.mjs", "--check");
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  const [source, made] = [at(".made/examples.ts"), at(`.made/examples.${process.pid}.mjs`)];
  t.after(() => rmSync(made, { force: true }));
  await build({ entryPoints: [source], outfile: made, format: "esm", target: "node22", logLevel: "silent" });
  const wanted = readFileSync(source, "utf8").match(/^test\(/gm).length;
  const { status, stdout } = run("--test", "--test-reporter=tap", made);
  assert.equal(status, 0, stdout);
  assert.match(stdout, new RegExp(`^# pass ${wanted}$`, "m"));
});
