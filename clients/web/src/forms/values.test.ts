import { describe, expect, test } from "vitest";
import { charactersOf, random } from "./random.js";
import { parseSpec, type InputSpec, type Values } from "./spec.js";
import { begin, check, display, over } from "./values.js";

const every: InputSpec = {
  text: { type: "text", name: "Text", required: true, default: null, minLength: 2, maxLength: 5, patterns: [{ regex: "^[a-z]+$", description: "small letters" }] },
  secret: { type: "text", name: "Secret", masked: true, default: { charset: "a-f,0-9", len: 12 } },
  long: { type: "textarea", name: "Long", default: null },
  count: { type: "number", name: "Count", required: true, integer: true, min: 1, max: 10, default: 3 },
  colour: { type: "color", name: "Colour", default: "#ff0000" },
  at: { type: "datetime", name: "At", inputmode: "date", min: "2026-01-01", default: null },
  on: { type: "toggle", name: "On", default: null },
  maybe: { type: "triState", name: "Maybe", default: null },
  one: { type: "select", name: "One", values: { a: "A", b: "B" }, default: "a" },
  some: { type: "multiselect", name: "Some", values: { x: "X", y: "Y" }, default: ["x"], minLength: 1, maxLength: 1 },
  words: { type: "list", name: "Words", spec: { type: "text" }, default: ["w"], maxLength: 2 },
  peers: {
    type: "list", name: "Peers", default: [],
    spec: { type: "object", uniqueBy: "host", displayAs: "{{host}}:{{port}}", spec: { host: { type: "text", name: "Host", required: true }, port: { type: "number", name: "Port", default: 80 } } },
  },
  inner: { type: "object", name: "Inner", spec: { deep: { type: "text", name: "Deep", required: true, default: "d" } } },
  how: {
    type: "union", name: "How", default: "own",
    variants: { none: { name: "None", spec: {} }, own: { name: "Own", spec: { path: { type: "text", name: "Path", required: true, default: null } } } },
  },
  kept: { type: "hidden" },
};

const matches = (regex: string, value: string): boolean => new RegExp(regex).test(value);
const flawsOf = (values: Values) => Object.fromEntries([...check(every, values, matches)].map(([path, flaw]) => [path, flaw.own ?? flaw.key.replace("page.form.", "")]));
const good = (): Values => ({ ...begin(every, { kept: 7 }), text: "abc", how: { selection: "own", value: { path: "/x" } } });

describe("a form", () => {
  test("begins with what is known, else with defaults of every kind", () => {
    const values = begin(every, { text: "abc", kept: { any: true }, other: 1, peers: [{ host: "h" }], inner: { more: 1 } });
    expect(values).toMatchObject({
      text: "abc", long: null, count: 3, colour: "#ff0000", at: null, on: false, maybe: null, one: "a", some: ["x"], words: ["w"],
      peers: [{ host: "h", port: 80 }], inner: { deep: "d", more: 1 }, how: { selection: "own", value: { path: null } }, kept: { any: true }, other: 1,
    });
    expect(values["secret"]).toMatch(/^[a-f0-9]{12}$/);
  });

  test("has no flaw when all is as it should be", () => expect(flawsOf(good())).toEqual({}));

  test.each<[string, unknown, Record<string, string>]>([
    ["text", null, { text: "required" }],
    ["text", "a", { text: "min-length" }],
    ["text", "abcdef", { text: "max-length" }],
    ["text", "ABC", { text: "small letters" }],
    ["count", null, { count: "required" }],
    ["count", 1.5, { count: "integer" }],
    ["count", 0, { count: "min" }],
    ["count", 11, { count: "max" }],
    ["count", Number.NaN, { count: "number" }],
    ["colour", "red", { colour: "color" }],
    ["at", "2025-12-31", { at: "min" }],
    ["one", "c", { one: "choose" }],
    ["one", "toString", { one: "choose" }],
    ["some", [], { some: "min-count" }],
    ["some", ["x", "y"], { some: "max-count" }],
    ["words", ["a", "b", "c"], { words: "max-count" }],
    ["words", ["a", ""], { "words.1": "required" }],
    ["words", ["a", "a"], { "words.1": "twice" }],
    ["peers", [{ host: "h" }, { host: "h" }], { "peers.1": "twice" }],
    ["peers", [{ port: 1 }], { "peers.0.host": "required" }],
    ["inner", {}, { "inner.deep": "required" }],
    ["how", { selection: null, value: {} }, { how: "choose" }],
    ["how", { selection: "own", value: {} }, { "how.value.path": "required" }],
    ["how", { selection: "none", value: {} }, {}],
  ])("%s as %j is told at its field", (name, value, flaws) => expect(flawsOf({ ...good(), [name]: value })).toEqual(flaws));

  test("is filled in with what a task proposes, over what there is", () => {
    expect(over({ a: 1, b: { c: 2, d: 3 }, l: [1, 2] }, { b: { c: 9 }, l: [5] })).toEqual({ a: 1, b: { c: 9, d: 3 }, l: [5] });
  });

  test("calls an item of a list by its template, else by a text in it", () => {
    expect(display("{{host}}:{{ port }}", { host: "h", port: 80 })).toBe("h:80");
    expect(display(null, { port: 80, host: "h" })).toBe("h");
  });
});

describe("what a package sends as a form", () => {
  test("is taken when all of it can be shown", () => expect(Object.keys(parseSpec(JSON.parse(JSON.stringify(every))))).toHaveLength(15));

  const bottomless = (() => {
    let spec: unknown = {};
    for (let i = 0; i < 40; i++) spec = { x: { type: "object", name: "x", spec } };
    return spec;
  })();
  test.each([[null], [[]], ["x"], [{ a: 1 }], [{ a: { type: "later" } }], [{ a: { type: "list", spec: {} } }], [{ a: { type: "union" } }], [{ a: { type: "select" } }], [bottomless]])(
    "is refused when some of it cannot: %#",
    (spec) => expect(() => parseSpec(spec)).toThrow(),
  );
});

describe("random texts", () => {
  test.each([["a-c", "abc"], ["a-c,0-2,!", "abc012!"], ["a,b,-", "ab-"], ["", ""], [",", ","], ["a-c,-", "abc-"]])("%j draws from %j", (charset, characters) =>
    expect(charactersOf(charset)).toBe(characters),
  );

  test("have their length and only characters of their set", () => expect(random({ charset: "a-z,0-9", len: 64 })).toMatch(/^[a-z0-9]{64}$/));

  test("throw away numbers that would favour some characters", () => {
    const numbers = [2 ** 32 - 1, 1];
    expect(random({ charset: "a-c", len: 1 }, (to) => ((to[0] = numbers.shift()!), to))).toBe("b");
  });

  test("are not longer than anybody needs", () => expect(random({ charset: "a", len: 1e9 })).toHaveLength(4096));
});
