import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { watchWholeFiles } from "../src/files.js";

watchWholeFiles();
const limit = { timeout: 30_000 };

function watched(t: TestContext): { file: string; changes: AsyncIterator<unknown>; end: AbortController } {
  const dir = mkdtempSync(join(tmpdir(), "files-"));
  const file = join(dir, "settings.json");
  writeFileSync(file, "one");
  const end = new AbortController();
  t.after(() => (end.abort(), rmSync(dir, { recursive: true })));
  return { file, changes: fs.watch(file, { signal: end.signal })[Symbol.asyncIterator](), end };
}

test("a change between the call and the first look at its events is told", limit, async (t) => {
  const { file, changes } = watched(t);
  writeFileSync(file, "another");
  assert.equal((await changes.next()).done, false);
});

test("a file that is emptied and filled changes once, when it is full", limit, async (t) => {
  const { file, changes } = watched(t);
  const first = changes.next();
  truncateSync(file);
  let told = false;
  void first.then(() => (told = true));
  for (let i = 0; i < 10; i++) await new Promise((next) => setTimeout(next, 10));
  assert.equal(told, false, "an empty file is waited for");
  writeFileSync(file, "two");
  await first;
  assert.equal(await fs.readFile(file, "utf8"), "two");
});

test("a file that stays empty has changed, too", limit, async (t) => {
  const { file, changes } = watched(t);
  const first = changes.next();
  truncateSync(file);
  assert.equal((await first).done, false);
});

test("a replaced and a removed file have changed", limit, async (t) => {
  for (const act of [(file: string) => fs.rename(file, `${file}.old`), (file: string) => fs.rm(file)]) {
    const { file, changes } = watched(t);
    const first = changes.next();
    await act(file);
    assert.equal((await first).done, false);
  }
});

test("the end of a watch is the end of its events", limit, async (t) => {
  const { changes, end } = watched(t);
  const first = changes.next();
  end.abort();
  await assert.rejects(first, { name: "AbortError" });
  const other = watched(t);
  assert.equal((await other.changes.return!()).done, true);
});
