import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { format } from "node:util";
import { traceConsole } from "../src/log.js";
import { traced } from "../src/sources.js";

// One place: line 1 column 9 of the bundle is line 12 column 5 of package.ts, what comes before is of nobody.
const map = { version: 3, sources: ["../../package.ts"], names: [], mappings: "A,QAWI" };

test("places in a bundle are told as those in its sources, and what cannot be is left as it is", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "sources-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const at = (name: string, text?: string) => {
    if (text !== undefined) writeFileSync(join(dir, `${name}.map`), text);
    return `Error: bad\n    at run (${join(dir, name)}:1:9)\n    at ${join(dir, name)}:1:2\n    at node:internal/x:3:4`;
  };
  const mapped = at("good.js", JSON.stringify(map));
  assert.equal(traced(mapped), mapped.replace(`${join(dir, "good.js")}:1:9`, "package.ts:12:5"));
  assert.equal(traced(mapped), mapped.replace(`${join(dir, "good.js")}:1:9`, "package.ts:12:5"), "again, by the map that is kept");
  for (const [name, text] of Object.entries({ none: undefined, empty: "", foreign: "[1]", nothing: "null", odd: '{"version":3,"sources":[],"mappings":"!!!!"}' })) {
    const stack = at(`${name}.js`, text);
    assert.equal(traced(stack), stack, name);
  }
  const large = at("large.js", "{}");
  truncateSync(join(dir, "large.js.map"), 5 << 20);
  assert.equal(traced(large), large);
});

test("what package code writes of its errors names its sources, and else is what it was", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "sources-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const bundle = join(dir, "index.js");
  writeFileSync(`${bundle}.map`, JSON.stringify(map));
  const err = new Error("bad");
  err.stack = `Error: bad\n    at run (${bundle}:1:9)`;
  const lines: string[] = [];
  for (const name of ["error", "warn"] as const) t.mock.method(console, name, (...args: unknown[]) => void lines.push(`${name} ${format(...args)}`));
  traceConsole();
  console.error("50 %% of %d:", 3, err);
  console.warn(err);
  console.error("100 %");
  console.error({ a: 1 }, "%s");
  console.error(`${"x".repeat(70_000)} ${bundle}:1:9`);
  assert.deepEqual(lines.slice(0, 4), ["error 50 % of 3: Error: bad\n    at run (package.ts:12:5)", "warn Error: bad\n    at run (package.ts:12:5)", "error 100 %", "error { a: 1 } %s"]);
  assert.match(lines[4] ?? "", /index\.js:1:9$/);
});
