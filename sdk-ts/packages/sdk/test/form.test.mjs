// Forms against the original's: the JSON that people's clients draw, and what is taken.
import assert from "node:assert/strict";
import { test } from "node:test";
import original from "@start9labs/start-sdk";
import * as ours from "@hearthos/sdk/startos";
import { field, form, randomText } from "@hearthos/sdk";

const sdks = [ours, original].map((sdk) => ({ ...sdk, ...sdk.StartSdk.of().withManifest({ id: "x", volumes: ["main"], images: {}, dependencies: {} }).build(true) }));
const effects = { eventId: "e", getSystemSmtp: async () => null, isInContext: true, onLeaveContext: () => {} };

const pattern = [{ regex: "^a", description: "begins with a" }];
/** A form with each kind, once with little said and once with all. */
const every = ({ InputSpec, Value, List, Variants }) => {
  const inner = InputSpec.of({ a: Value.text({ name: "A", required: true, default: null }), b: Value.number({ name: "B", required: false, default: 3, integer: true }) });
  const rich = { description: "d", warning: "w", footnote: "f", immutable: true };
  return InputSpec.of({
    toggle: Value.toggle({ name: "n", default: true }),
    toggleRich: Value.toggle({ name: "n", default: false, ...rich }),
    triState: Value.triState({ name: "n", default: null, ...rich }),
    text: Value.text({ name: "n", required: true, default: null }),
    textRich: Value.text({ name: "n", required: false, default: { charset: "a-z", len: 5 }, masked: true, placeholder: "p", minLength: 1, maxLength: 9, patterns: pattern, inputmode: "email", generate: { charset: "a-z,0-9", len: 22 }, ...rich }),
    textarea: Value.textarea({ name: "n", required: true, default: "x" }),
    textareaRich: Value.textarea({ name: "n", required: false, default: null, minLength: 1, maxLength: 9, patterns: pattern, minRows: 2, maxRows: 4, placeholder: "p", ...rich }),
    number: Value.number({ name: "n", required: true, default: null, integer: false }),
    numberRich: Value.number({ name: "n", required: false, default: 5, min: 1, max: 9, step: 2, integer: true, units: "u", placeholder: "p", ...rich }),
    color: Value.color({ name: "n", required: true, default: "#aabbcc", ...rich }),
    datetime: Value.datetime({ name: "n", required: true, default: null }),
    datetimeRich: Value.datetime({ name: "n", required: false, default: null, inputmode: "date", min: "2026-01-01", max: "2027-01-01", ...rich }),
    select: Value.select({ name: "n", default: "a", values: { a: "A", b: "B" }, ...rich }),
    multiselect: Value.multiselect({ name: "n", default: ["a"], values: { a: "A", b: "B" }, minLength: 1, maxLength: 2, ...rich }),
    object: Value.object({ name: "n", description: "d" }, inner),
    file: Value.file({ name: "n", extensions: [".png"], required: true }),
    union: Value.union({ name: "n", default: "x", variants: Variants.of({ x: { name: "X", spec: inner }, y: { name: "Y", spec: InputSpec.of({}) } }), immutable: true }),
    texts: Value.list(List.text({ name: "n", default: ["a"], minLength: 1, maxLength: 3 }, { masked: true, patterns: pattern, inputmode: "url", placeholder: "p", minLength: 1, maxLength: 5, generate: { charset: "a", len: 1 } })),
    textsPlain: Value.list(List.text({ name: "n" }, {})),
    objects: Value.list(List.obj({ name: "n", minLength: 0 }, { spec: inner, displayAs: "{{a}}", uniqueBy: "a" })),
    hidden: Value.hidden(),
    made: Value.dynamicText(async () => ({ name: "n", required: true, default: null, disabled: "because" })),
    madeSelect: Value.dynamicSelect(async () => ({ name: "n", values: { q: "Q" }, default: "q", disabled: ["q"] })),
    madeNumber: Value.dynamicNumber(async () => ({ name: "n", required: true, default: null, integer: true })),
    madeToggle: Value.dynamicToggle(async () => ({ name: "n", default: true })),
    madeUnion: Value.dynamicUnion(async () => ({ name: "n", default: "y", variants: Variants.of({ y: { name: "Y", spec: InputSpec.of({}) } }), disabled: ["y"] })),
    madeTexts: Value.list(List.dynamicText(async () => ({ name: "n", spec: { masked: true } }))),
  });
};
const specOf = async (form) => JSON.parse(JSON.stringify((await form.build({ effects, prefill: null })).spec));

test("each kind of field is drawn as by the original", async () => {
  const [mine, theirs] = await Promise.all(sdks.map((sdk) => specOf(every(sdk))));
  for (const key of Object.keys(theirs)) assert.deepEqual(mine[key], theirs[key], key);
  assert.deepEqual(Object.keys(mine), Object.keys(theirs));
});

test("a form that was filtered or disabled is drawn as by the original", async () => {
  const made = (change) => Promise.all(sdks.map(async (sdk) => specOf(change(every(sdk)))));
  for (const change of [
    (f) => f.filter({ text: true, object: { a: true } }),
    (f) => f.filter({ text: false }, true),
    (f) => f.disable({ text: true, object: { a: true }, select: true }, "not now"),
    (f) => f.filterFromPartial({ toggle: true, object: { b: 1 } }),
    (f) => f.disableFromPartial({ toggle: true }, "why"),
  ]) {
    const [mine, theirs] = await made(change);
    assert.deepEqual(mine, theirs, String(change));
  }
});

const good = {
  text: ["x", ""],
  numberRich: [5, null],
  color: ["#aabbcc"],
  select: ["a", "b"],
  multiselect: [["a"], ["a", "b"]],
  object: [{ a: "x", b: null }],
  union: [{ selection: "x", value: { a: "1", b: 2 } }, { selection: "y", value: {} }],
  objects: [[{ a: "x", b: 1 }]],
  triState: [null, true],
  file: [{ path: "/x", commitment: { hash: "h", size: 1 } }],
};
const bad = { text: [null, 3, undefined], toggle: ["yes", null], number: ["5", null], select: ["c"], multiselect: [["c"], "a"], object: [{ a: 3 }, null], union: [{ selection: "z", value: {} }, "x"], file: ["x", {}] };

test("what the original takes is taken, and what it refuses is refused", async () => {
  for (const [sdk, name] of sdks.map((sdk, i) => [sdk, ["ours", "theirs"][i]])) {
    const all = every(sdk);
    const read = async (key, value) => (await all.filter({ [key]: true }).build({ effects, prefill: null })).validator;
    const takes = async (key, value) => {
      const validator = await read(key);
      return !validator["~standard"].validate({ [key]: value }).issues;
    };
    for (const [key, values] of Object.entries(good)) for (const value of values) assert.ok(await takes(key, value), `${name} takes ${key} ${JSON.stringify(value)}`);
    for (const [key, values] of Object.entries(bad)) for (const value of values) assert.ok(!(await takes(key, value)), `${name} refuses ${key} ${JSON.stringify(value)}`);
  }
});

test("what is wrong is said with its place", async () => {
  const asked = form({ name: field.text({ name: "Name", maxLength: 3 }), size: field.number({ name: "Size", min: 1, integer: true }), tags: field.texts({ name: "Tags" }) });
  const { validator } = await asked.build({ effects, prefill: null });
  const { issues } = validator["~standard"].validate({ name: "too long", size: 0.5, tags: ["a", 2] });
  assert.deepEqual(issues, [
    { path: ["name"], message: "has more than 3 characters" },
    { path: ["size"], message: "must be a whole number" },
    { path: ["tags", "1"], message: "must be a text" },
  ]);
});

test("a pattern that does not come to its end refuses the text, for all texts of a list at once", { timeout: 60_000 }, async () => {
  const slow = { regex: "^(a+)+$", description: "only a" };
  const asked = form({ name: field.text({ name: "Name", patterns: [slow] }), tags: field.texts({ name: "Tags", minEntries: 1, patterns: [slow] }) });
  const { validator } = await asked.build({ effects, prefill: null });
  const check = async (value) => validator["~standard"].validate(value).issues ?? [];
  const never = `${"a".repeat(60)}!`;
  const begin = performance.now();
  const issues = await check({ name: never, tags: Array(200).fill(never) });
  assert.ok(performance.now() - begin < 30_000, "each text of the list was tried");
  assert.equal(issues.length, 201);
  for (const { message } of issues) assert.equal(message, "takes too long to be checked (only a)");
  assert.deepEqual(await check({ name: "aaa", tags: ["a".repeat(60)] }), []);
  assert.deepEqual((await check({ name: "b", tags: [] })).map(({ message }) => message), ["only a", "needs at least 1 entry"]);
});

test("texts that are made up keep to their characters, and are not the same", () => {
  const made = Array.from({ length: 200 }, () => randomText({ charset: "a-c,7,-", len: 8 }));
  for (const one of made) assert.match(one, /^[abc7-]{8}$/);
  assert.ok(new Set(made).size > 190);
  assert.ok(made.join("").includes("-"));
  assert.equal(randomText("as it is"), "as it is");
});

test("a kept choice of mail is read as by the original", () => {
  for (const value of [undefined, null, {}, { selection: "x" }, { selection: "disabled", value: {} }, { selection: "system", value: { customFrom: "a@b.cc" } }]) {
    assert.deepEqual(ours.smtpShape.parse(value), original.smtpShape.parse(value), JSON.stringify(value));
  }
});
