import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
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
