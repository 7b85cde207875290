import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { InstalledPackage } from "@hearthos/sdk/testing";

/** A package whose server is a script that says what it was called with. */
function installed(t, script, addresses = []) {
  const dir = mkdtempSync(join(tmpdir(), "hearth-installed-"));
  const program = join(dir, "hearth");
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  process.env.HEARTH_TESTED = JSON.stringify({ id: "page", version: "1.0.0:0", command: [program, "--host=lab"], addresses });
  t.after(() => {
    delete process.env.HEARTH_TESTED;
    rmSync(dir, { recursive: true });
  });
  return new InstalledPackage();
}

test("an action is run on the server that the package is on, and its result is answered", async (t) => {
  const page = installed(t, `printf '{"said":"%s"}\\n' "$(echo "$@" | sed 's/"/-/g')"`);
  assert.deepEqual(await page.action("greet", { name: "a" }), { said: "--host=lab package action run page greet --input {-name-:-a-} --output json" });
  assert.deepEqual(await page.health(), [{ said: "--host=lab package health page --output json" }]);
});

test("what the server refuses is an error in its words", async (t) => {
  const page = installed(t, `echo "reason: ACTION_NOT_FOUND" >&2; exit 3`);
  await assert.rejects(page.action("none"), /ACTION_NOT_FOUND/);
});

test("an interface is asked by TLS where it has that, and by what is reached best", async (t) => {
  const server = createServer((req, res) => res.end(`path ${req.url}`)).listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${server.address().port}`;
  const page = installed(t, "exit 0", [
    { interface: "ui", url: "http://localhost:1", kind: "localhost", ssl: false }, { interface: "ui", url: "https://localhost:2", kind: "localhost", ssl: true },
    { interface: "api", url, kind: "ipv4", ssl: false },
  ]);
  assert.equal(page.address("ui"), "https://localhost:2");
  assert.equal(await (await page.fetch("api", "/x?y=1")).text(), "path /x?y=1");
  assert.throws(() => page.address("none"), /no address of "none"/);
  let times = 0;
  await page.until(() => ++times === 2);
  await assert.rejects(page.until(() => Promise.reject(new Error("down")), 0), /not within 0 s/);
});

test("without the command there is nothing to check", () => {
  delete process.env.HEARTH_TESTED;
  assert.throws(() => new InstalledPackage(), /hearth package test --server/);
});
