import assert from "node:assert/strict";
import { test } from "node:test";
import { initialValue } from "@hearthos/sdk/form/initial";
import type { Effects } from "@hearthos/sdk/effects";
import { parse } from "@hearthos/sdk/schema";
import { describeConfig } from "../src/legacy/form.js";
import { find } from "../src/legacy/jsonpath.js";
import { rangeOf } from "../src/legacy/range.js";
import { readManifest, versionThen } from "../src/legacy/manifest.js";

const build = (spec: unknown) => describeConfig(spec).form.build({ effects: {} as Effects, prefill: null });

test("lists of StartOS 0.3 are lists, of numbers, choices, objects and variants", async () => {
  const spec = {
    ports: { type: "list", subtype: "number", name: "Ports", range: "[1,3]", default: [80], spec: { range: "[1,65535]", integral: true } },
    days: { type: "list", subtype: "enum", name: "Days", range: "[0,*)", default: ["mo"], spec: { values: ["mo", "tu"], "value-names": { mo: "Monday" } } },
    names: { type: "list", subtype: "string", name: "Names", range: "(0,*)", default: [], spec: { pattern: "^[a-z]+$", "pattern-description": "letters", masked: true } },
    people: { type: "list", subtype: "object", name: "People", range: "[0,*)", default: [{ name: "ada" }], spec: { "unique-by": "name", "display-as": "{{name}}", spec: { name: { type: "string", name: "Name", nullable: false } } } },
    mounts: { type: "list", subtype: "union", name: "Mounts", range: "[0,*)", default: [], spec: { tag: { id: "kind", name: "Kind", "variant-names": {} }, variants: { nfs: { host: { type: "string", name: "Host", nullable: false } }, tmp: {} } } },
  };
  const described = describeConfig(spec);
  const { spec: form, validator } = await build(spec);
  const config = { ports: [80, 443], days: ["tu"], names: ["ada"], people: [{ name: "ada", more: 1 }], mounts: [{ kind: "nfs", host: "a" }, { kind: "tmp" }] };
  const shown = described.shown(config);
  assert.deepEqual(shown, { ports: ["80", "443"], days: ["tu"], names: ["ada"], people: [{ name: "ada" }], mounts: [{ kind: { selection: "nfs", value: { host: "a" } } }, { kind: { selection: "tmp", value: {} } }] });
  assert.deepEqual(described.told(parse(validator, shown) as Record<string, unknown>, config), config, "what the form does not know stays");
  const lengths = Object.fromEntries(Object.entries(form).map(([key, one]) => [key, "minLength" in one ? [one.minLength, one.maxLength] : null]));
  assert.deepEqual([lengths["ports"], lengths["names"]], [[1, 3], [1, null]]);
  const wrong = (change: object) => assert.throws(() => parse(validator, { ...shown, ...change }));
  wrong({ ports: ["0"] });
  wrong({ ports: [] });
  wrong({ names: ["UPPER"] });
  wrong({ people: [{ name: "a" }, { name: "a" }] });
});

test("ranges of StartOS 0.3 include and exclude their ends", async () => {
  assert.deepEqual(rangeOf("(0,5]"), { min: { at: 0, exclusive: true }, max: { at: 5, exclusive: false } });
  assert.deepEqual([rangeOf("[*,*)"), rangeOf("nonsense"), rangeOf(7)], Array(3).fill({ min: null, max: null }));
  const number = (range: string, integral: boolean) => build({ n: { type: "number", name: "N", range, integral, nullable: false } });
  const whole = await number("(0,5)", true);
  assert.deepEqual([(whole.spec as any).n.min, (whole.spec as any).n.max], [1, 4]);
  const part = await number("(0,5)", false);
  assert.throws(() => parse(part.validator, { n: 0 }));
  assert.throws(() => parse(part.validator, { n: 5 }));
  assert.deepEqual(parse(part.validator, { n: 0.1 }), { n: 0.1 });
});

test("ways to values of other packages' configurations lead to them", () => {
  const config = { rpc: { user: "ada", "a.b": 1, list: [{ n: 1 }, { n: 2 }] }, n: 3 };
  const cases: [string, unknown[]][] = [
    ["$.rpc.user", ["ada"]], ["$['rpc']['a.b']", [1]], ["$.rpc.list[*].n", [1, 2]], ["$.rpc.list[-1].n", [2]], ["$..n", [3, 1, 2]], ["$.none.n", []], ["$", [config]],
  ];
  for (const [path, wanted] of cases) assert.deepEqual(find(config, path), wanted, path);
  for (const path of ["rpc", "$.rpc.list[?(@.n==1)]", "$.", "$["]) assert.throws(() => find(config, path), path);
});

test("versions of StartOS 0.3 become those of today and back", () => {
  const of = (id: string, title: string, version: string) =>
    readManifest(JSON.stringify({ id, title, version, main: { type: "script" }, backup: { create: { type: "script" }, restore: { type: "script" } } }));
  assert.deepEqual([of("notes", "Notes", "1.2.3").version, of("notes", "Notes", "1.2.3.4").version, of("lnd", "LND", "0.17.4.1").version], ["1.2.3:0", "1.2.3:4", "0.17.4-beta:1"]);
  assert.deepEqual([of("bitcoind", "Bitcoin Knots", "25.0.0.2").version, of("ghost", "Ghost", "5.0.0.0").id], ["#knots:25.0.0:2", "ghost-legacy"]);
  assert.deepEqual(["1.2.3:4", "0.17.4-beta:1", "#knots:25.0.0:2", "3.1:0"].map(versionThen), ["1.2.3.4", "0.17.4.1", "25.0.0.2", "3.1.0.0"]);
  assert.throws(() => of("notes", "Notes", "one"));
});

/** A generator of odd values, the same each time. */
function odd(seed: number) {
  let state = seed;
  const next = (n: number) => (state = (state * 1103515245 + 12345) & 0x7fffffff) % n;
  const words = ["string", "number", "boolean", "enum", "list", "object", "union", "pointer", "type", "name", "spec", "default", "range", "[1,", "(*,5)", "[9,1]", "subtype", "values", "value-names", "variants", "tag", "id", "pattern", "(", "(a+)+$", "nullable", "charset", "len", "__proto__", "constructor", "", "a-z", "z-a", "unique-by", "any", "toString"];
  const word = () => words[next(words.length)]!;
  const value = (depth: number): unknown => {
    switch (next(depth > 5 ? 6 : 9)) {
      case 0: return null;
      case 1: return next(2) === 0;
      case 2: return [0, -1, 1e308, NaN, Infinity, 3.5, 2 ** 40][next(7)];
      case 3: case 4: case 5: return word();
      case 6: return Array.from({ length: next(4) }, () => value(depth + 1));
      default: return Object.fromEntries(Array.from({ length: next(6) }, () => [word(), value(depth + 1)]));
    }
  };
  // Mostly fields, for odd values alone seldom get far.
  const field = (depth: number): Record<string, unknown> => {
    const type = words[next(8)];
    const many = (of: () => unknown) => Object.fromEntries(Array.from({ length: next(4) }, () => [word(), of()]));
    return {
      type, name: value(6), subtype: words[next(8)], range: word(), integral: value(6), nullable: value(6), default: value(3), pattern: word(), values: [word(), value(6)], "value-names": many(() => value(6)),
      tag: { id: word(), name: word(), "variant-names": value(4) }, variants: depth > 3 ? value(5) : many(() => many(() => field(depth + 1))), textarea: value(6),
      spec: depth > 3 ? value(4) : next(2) === 0 ? many(() => field(depth + 1)) : { ...field(depth + 1), "unique-by": value(3), spec: many(() => field(depth + 1)) },
    };
  };
  return { spec: () => Object.fromEntries(Array.from({ length: next(5) }, () => [word(), next(5) === 0 ? value(0) : field(0)])), value: () => value(0) };
}

test("any description of a configuration makes a form, and any value of it an answer or a refusal", async () => {
  for (let seed = 1; seed <= 1500; seed++) {
    const make = odd(seed * 7919);
    const [spec, config, input] = [make.spec(), make.value(), make.value()];
    const why = `seed ${seed}: ${JSON.stringify(spec)}`;
    const described = describeConfig(spec);
    const { spec: form, validator } = await described.form.build({ effects: {} as Effects, prefill: null });
    JSON.stringify(form);
    initialValue(form);
    const before = typeof config === "object" && config !== null && !Array.isArray(config) ? (config as Record<string, unknown>) : {};
    const shown = described.shown(before);
    for (const value of [shown, input, initialValue(form)]) {
      let read: unknown;
      try {
        read = parse(validator, value);
      } catch (err) {
        assert.equal((err as Error).name, "InvalidError", why);
        continue;
      }
      const told = described.told(read as Record<string, unknown>, before);
      assert.equal(Object.getPrototypeOf(told), Object.prototype, why);
    }
  }
  let deep: unknown = {};
  for (let i = 0; i < 100; i++) deep = { a: { type: "object", name: "A", spec: deep } };
  assert.throws(() => describeConfig(deep));
  assert.throws(() => describeConfig(Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`f${i}`, { type: "boolean" }]))));
});
