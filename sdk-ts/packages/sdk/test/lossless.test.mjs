// Files that other programs wrote too: a change of one member leaves every other as it stands.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { defaults, file, secrets, Volume } from "@hearthos/sdk";
import { FileHelper, z } from "@hearthos/sdk/startos";

const effects = { isInContext: true, onLeaveContext: () => {} };

/** What a file holds after a change, with ours and with the shape of zod. */
async function changed(t, kind, before, change, shape) {
  const dir = mkdtempSync(join(tmpdir(), "lossless-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const texts = [];
  for (const model of [file[kind](join(dir, "ours"), defaults(shape ?? {})), FileHelper[kind](join(dir, "zod"), z.looseObject({}))]) {
    writeFileSync(model.path, before);
    await model.merge(effects, change);
    texts.push(readFileSync(model.path, "utf8"));
  }
  assert.equal(texts[1], texts[0], "both write the same");
  return texts[0];
}

test("changes made at the same time are all there", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "lossless-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const shape = defaults({ a: 0, b: 0, c: 0 });
  const path = join(dir, "x.json");
  const [one, other] = [file.json(path, shape), file.json(join(dir, "sub/../x.json"), shape)];
  await Promise.all([one.merge(effects, { a: 1 }), other.merge(effects, { b: 2 }), one.rewrite((raw) => ({ ...raw, d: 4 })), one.merge(effects, { c: 3 })]);
  assert.deepEqual(await one.read().once(), { a: 1, b: 2, c: 3, d: 4 });
  await assert.rejects(one.rewrite(() => { throw new Error("no"); }), /no/);
  await one.merge(effects, { a: 5 }); // what failed keeps nobody waiting
  const volume = new Volume("main", dir);
  const keys = secrets(volume, { first: { charset: "a-z", len: 8 }, second: { charset: "a-z", len: 8 } });
  await keys.make(effects);
  const before = await keys.once();
  await Promise.all([keys.replace(effects, "first"), keys.replace(effects, "second")]);
  const after = await keys.once();
  for (const name of ["first", "second"]) assert.notEqual(after[name].reveal(), before[name].reveal(), name);
});

test("json keeps numbers that JavaScript cannot hold, and the look of what stays", async (t) => {
  const before = '{\n    "id": 12345678901234567890,\n    "e": 1e400,\n    "f": 1.0,\n    "list": [1,2,  {"x": 0.10000000000000000001}],\n    "name": "a"\n}\n';
  assert.equal(await changed(t, "json", before, { name: "b" }), before.replace('"a"', '"b"'));
  assert.equal(await changed(t, "json", before, { added: { y: [1] } }), before.replace('"a"\n', '"a",\n    "added": {\n        "y": [\n            1\n        ]\n    }\n'));
  assert.equal(await changed(t, "json", '{"id":12345678901234567890,"l":[{"n":1.0}],"a":1}', { a: 2 }), '{"id":12345678901234567890,"l":[{"n":1.0}],"a":2}');
  assert.deepEqual(JSON.parse(await changed(t, "json", '{"a":1,"a":2}', { b: 3 })), { a: 2, b: 3 });
});

test("a mark at the beginning of a file is no part of what it says, and stays", async (t) => {
  assert.equal(await changed(t, "json", '\uFEFF{"a":1}', { b: 2 }), '\uFEFF{"a":1,"b":2}');
  assert.equal(await changed(t, "env", "\uFEFFA=1\n", { A: "2" }), "\uFEFFA=2\n");
});

test("yaml keeps numbers as they are written, and the comments of a list", async (t) => {
  const before = "big: 12345678901234567890\nhex: 0x1F\nf: 1.10\noctal: 0o17\nl:\n  - name: a # ca\n    big: 98765432109876543210\n  # cb\n  - name: b\nk: 1\n";
  assert.equal(await changed(t, "yaml", before, { k: 2 }), before.replace("k: 1", "k: 2"));
  const list = [{ name: "new" }, { name: "a", big: 98765432109876543210 }, { name: "c" }];
  assert.equal(await changed(t, "yaml", before, { l: list }), before.replace("  - name: a # ca", "  - name: new\n  - name: a # ca").replace("name: b", "name: c"));
});

test("toml keeps numbers of 64 bits, and a number with a point stays one", async (t) => {
  const before = 'big = 9223372036854775807\nhex = 0xff\nf = 1.0\nname = "a"\n\n[[user]]\nid = 9223372036854775806\nw = 2.0\n';
  assert.equal(await changed(t, "toml", before, { name: "b" }), before.replace('"a"', '"b"'));
  assert.match(await changed(t, "toml", before, { f: 3 }), /^f = 3\.0$/m);
  const anew = await changed(t, "toml", before, { user: [{ id: 1, w: 3 }, { id: 2 }] });
  for (const line of [/^big = 9223372036854775807$/m, /^f = 1\.0$/m, /^w = 3\.0$/m, /^id = 1$/m, /^id = 2$/m]) assert.match(anew, line);
});

test("xml keeps what it does not know, to the letter", async (t) => {
  const before = `<?xml version="1.0"?>
<!DOCTYPE c SYSTEM "c.dtd">
<!-- on top -->
<c a='x"y' b="1 &amp; 2">
  <z>007</z><n>1e3</n><hex>0x1F</hex><v>1.10</v>
  <m>1</m><k/><m>2</m> <!-- beside -->
  <text>&#65;&lt;<![CDATA[<raw>]]></text>
  <mixed>txt<i>in</i>tail</mixed>
  <p><port>80</port></p>
</c>
<!-- behind -->
`;
  assert.equal(await changed(t, "xml", before, { c: { p: { port: 81 } } }), before.replace("<port>80", "<port>81").replace(`'x"y'`, `"x&quot;y"`));
  const added = await changed(t, "xml", before, { c: { p: { host: "a<b & \"c\"" }, m: [1, 2, 3] } });
  assert.match(added, /<port>80<\/port><host>a&lt;b &amp; "c"<\/host><\/p>/);
  assert.match(added, /<m>1<\/m><k\/><m>2<\/m><m>3<\/m> <!-- beside -->/);
  assert.match(await changed(t, "xml", before, { c: { "@_b": 'q"<' } }), /b="q&quot;&lt;"/);
});

test("xml is one document, whatever is written first", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "lossless-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const model = FileHelper.xml(join(dir, "x"), z.looseObject({ c: z.looseObject({}) }));
  await model.write(effects, { c: { a: 1 }, "?xml": { "@_version": "1.0" } });
  assert.match(readFileSync(model.path, "utf8"), /^<\?xml version="1\.0"\?>\s*<c>/);
});

test("of our xml only what is written as JavaScript would is a number", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "lossless-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, "x"), "<c><pin>007</pin><port>80</port><v>1.10</v><on>true</on></c>");
  assert.deepEqual(await file.xml(join(dir, "x"), defaults({})).read().once(), { c: { pin: "007", port: 80, v: "1.10", on: true } });
});

test("ini keeps every line that does not change, also of a key that is there twice", async (t) => {
  const before = "; top\nurl=http://x/#a\naddnode=a\naddnode=b\nlist[]=1\n; within\nlist[]=2\n\n[main]\nk=1\n";
  assert.equal(await changed(t, "ini", before, { list: ["1", "3", "4"] }), before.replace("list[]=1\n; within\nlist[]=2", "list[]=1\nlist[]=3\nlist[]=4\n; within"));
  assert.equal(await changed(t, "ini", before, { main: { l: ["x", "y"] } }), before.replace("k=1\n", "k=1\nl[]=x\nl[]=y\n"));
});

test("env reads what it wrote, keeps the export, and takes names alone", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "lossless-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const model = file.env(join(dir, "env"), defaults({}));
  const value = { N: " sp ", Q: '"q"', S: "'s'", D: "a$b`c\\", P: "plain words" };
  await model.write(effects, value);
  assert.deepEqual(await model.read().once(), value);
  assert.match(readFileSync(model.path, "utf8"), /^P=plain words$/m);
  assert.equal(await changed(t, "env", "export A='x' \nB=1\n", { A: "y" }), "export A=y\nB=1\n");
  await assert.rejects(model.merge(effects, { "X\nINJ": "1" }), /no name of a variable/);
  await assert.rejects(model.merge(effects, { "A=B": "1" }), /no name of a variable/);
});

test("a file that holds no members is not replaced by some", async (t) => {
  await assert.rejects(changed(t, "json", "[1,2]", { a: 1 }), /holds no members/);
});
