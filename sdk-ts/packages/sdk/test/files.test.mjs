// Files with a shape: what is kept, what is written, and what is seen of changes.
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { defaults, file, Secret, secrets, Volume } from "@hearthos/sdk";
import { FileHelper, z } from "@hearthos/sdk/startos";

function folder(t) {
  const dir = mkdtempSync(join(tmpdir(), "files-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
function context() {
  const hooks = [];
  const effects = { isInContext: true, onLeaveContext: (hook) => void hooks.push(hook) };
  return { effects, leave: () => ((effects.isInContext = false), hooks.forEach((hook) => hook())) };
}
const { effects } = context();

test("a missing file is null, and one that is written has its folders", async (t) => {
  const path = join(folder(t), "a/b/settings.json");
  const model = file.json(path, defaults({ greeting: "Hello", retries: 3 }));
  assert.equal(await model.read().once(), null);
  await model.merge(effects, { greeting: "Hi" });
  assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), { greeting: "Hi", retries: 3 });
  assert.equal(await model.read((value) => value.greeting).once(), "Hi");
});

test("a value of another type has its default, and unknown members stay at any depth", async (t) => {
  const path = join(folder(t), "x.json");
  writeFileSync(path, '{ "retries": "many", "deep": { "known": 1, "other": [1] }, "more": null }\n');
  const model = file.json(path, defaults({ retries: 3, deep: { known: 0 } }));
  assert.deepEqual(await model.read().once(), { retries: 3, deep: { known: 1, other: [1] }, more: null });
  await model.merge(effects, { deep: { known: 2 } });
  assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), { retries: 3, deep: { known: 2, other: [1] }, more: null });
});

test("a shape of zod keeps what it does not know, also within others", async (t) => {
  const path = join(folder(t), "x.json");
  const shape = z.object({ list: z.array(z.object({ a: z.number() })), maybe: z.object({ b: z.string().catch("?") }).optional(), kind: z.discriminatedUnion("t", [z.object({ t: z.literal("x") })]) });
  writeFileSync(path, JSON.stringify({ list: [{ a: 1, z: 2 }], maybe: { b: 3, z: 4 }, kind: { t: "x", z: 5 }, z: 6 }));
  const model = FileHelper.json(path, shape);
  assert.deepEqual(await model.read().once(), { list: [{ a: 1, z: 2 }], maybe: { b: "?", z: 4 }, kind: { t: "x", z: 5 }, z: 6 });
});

const formats = {
  yaml: { before: "# a comment\nname: old # beside\nlist: [1, 2]\nother: kept\n", after: "# a comment\nname: new # beside\nlist: [ 1, 2 ]\nother: kept\n", model: file.yaml },
  toml: { before: 'name = "old"\nother = "kept"\n[table]\na = 1\n', after: 'name = "new"\nother = "kept"\n[table]\na = 1\n', model: file.toml },
  ini: { before: "name=old\nother=kept\n[part]\na=1\n", after: "name=new\nother=kept\n[part]\na=1\n", model: file.ini },
  env: { before: "# a comment\nname=old\n\nexport other='kept'\n", after: "# a comment\nname=new\n\nexport other='kept'\n", model: file.env },
};

for (const [format, { before, after, model }] of Object.entries(formats)) {
  test(`${format} is changed where it changes, and written once`, async (t) => {
    const dir = folder(t);
    const path = join(dir, "config");
    writeFileSync(path, before);
    chmodSync(path, 0o640);
    const config = model(path, defaults({ name: "" }));
    assert.equal((await config.read().once()).other, "kept");
    await config.merge(effects, { name: "new" });
    assert.equal(readFileSync(path, "utf8"), after);
    assert.equal((await config.read().once()).name, "new");
    assert.equal(statSync(path).mode & 0o777, 0o640);
    const { ino } = statSync(path);
    await config.merge(effects, { name: "new" });
    assert.equal(statSync(path).ino, ino, "nothing is written without a change");
    assert.deepEqual(readdirSync(dir), ["config"]);
  });
}

test("xml keeps attributes and elements", async (t) => {
  const path = join(folder(t), "x.xml");
  writeFileSync(path, '<server port="80"><name>old</name><other>kept</other></server>');
  const model = file.xml(path, defaults({ server: { name: "" } }));
  await model.merge(effects, { server: { name: "new" } });
  const text = readFileSync(path, "utf8");
  assert.match(text, /port="80"/);
  assert.match(text, /<name>new<\/name>\s*<other>kept<\/other>/);
});

const commented = {
  toml: [file.toml, `# On top
name = "old" # of the service
port = 80
"odd key" = 'a # b'

[log] # how much is said
# quiet, or loud
level = "info"   # quiet
targets = ["a", "b"]

[[user]]
id = 1

[gone]
x = 1

[log.file]
path = "/x"
`, `# On top
name = "new" # of the service
port = 81
"odd key" = 'a # b'
added = true

[log] # how much is said
# quiet, or loud
level = "debug # all"   # quiet
targets = [ "a", "c" ]

[[user]]
id = 1


[log.file]
path = "/x"
size = 5

[fresh]
y = 1.5
`],
  ini: [file.ini, `; On top
name = old
port=80

[log]
# quiet, or loud
level = info
list[] = a
list[] = b

[gone]
x = 1

[log.file]
path = /x
`, `; On top
name = new
port=81
added=true

[log]
# quiet, or loud
level = debug \\# all
list[] = a
list[] = b


[log.file]
path = /x
size=5

[fresh]
y=1.5
`],
};
for (const [kind, [model, before, after]] of Object.entries(commented)) {
  test(`${kind} keeps comments, order and look of what does not change`, async (t) => {
    const path = join(folder(t), "config");
    writeFileSync(path, before);
    const config = model(path, defaults({}));
    const { gone, ...value } = await config.read().once();
    assert.equal(String(gone.x), "1");
    await config.write(effects, { ...value, name: "new", port: 81, added: true, log: { ...value.log, level: "debug # all", ...(kind === "toml" ? { targets: ["a", "c"] } : {}), file: { ...value.log.file, size: 5 } }, fresh: { y: 1.5 } });
    assert.equal(readFileSync(path, "utf8"), after);
  });
  test(`${kind} that cannot be changed line by line is written anew, and says the same`, async (t) => {
    const path = join(folder(t), "config");
    const odd = kind === "toml" ? 'text = """\nname = "inner"\n"""\nname = "old"\ninline = { a = 1 }\n' : "list[] = a\nname = old\n";
    writeFileSync(path, odd);
    const config = model(path, defaults({}));
    const value = await config.read().once();
    const wanted = { ...value, name: "new", ...(kind === "toml" ? { inline: { a: 2 } } : { list: ["b"] }) };
    await config.write(effects, wanted);
    assert.deepEqual(JSON.parse(JSON.stringify(await config.read().once())), JSON.parse(JSON.stringify(wanted)));
  });
}

test("a variable cannot bring a line of its own", async (t) => {
  const model = file.env(join(folder(t), "env"), defaults({ A: "" }));
  await assert.rejects(model.write(effects, { A: "x\nB=y" }), /cannot hold more than a line/);
});

test("a member called __proto__ is data", async (t) => {
  const path = join(folder(t), "x.json");
  writeFileSync(path, '{"__proto__":{"polluted":1},"a":1}');
  const model = file.json(path, defaults({ a: 0 }));
  await model.merge(effects, { a: 2 });
  assert.equal({}.polluted, undefined);
  assert.match(readFileSync(path, "utf8"), /"__proto__"/);
});

test("what was read with const runs again when that part changes, once, and not after the end", async (t) => {
  const path = join(folder(t), "later/x.json");
  const model = file.json(path, defaults({ a: 0, b: 0 }));
  const { effects, leave } = context();
  let runs = 0;
  let again;
  const ran = new Promise((resolve) => (again = resolve));
  effects.constRetry = () => (runs++, again());
  assert.equal(await model.read((value) => value.a).const(effects), null);
  const other = context().effects;
  await model.write(other, { a: 1, b: 1 });
  await ran;
  assert.equal(runs, 1);
  leave();

  const second = context();
  second.effects.constRetry = () => assert.fail("only b has changed");
  await model.read((value) => value.a).const(second.effects);
  const seen = model.read((value) => value.b).watch(other);
  assert.equal((await seen.next()).value, 1);
  await model.merge(other, { b: 2 });
  assert.equal((await seen.next()).value, 2);
  second.leave();
});

test("half a file, as others leave it while they write, ends no watch", { timeout: 30_000 }, async (t) => {
  const path = join(folder(t), "x.json");
  writeFileSync(path, '{ "a": 1 }');
  const alive = setInterval(() => {}, 1000); // a watch of a file keeps no program alive
  t.after(() => clearInterval(alive));
  const { effects, leave } = context();
  const changed = new Promise((resolve) => (effects.constRetry = resolve));
  await file.json(path, defaults({ a: 0 })).read().const(effects);
  const told = new Promise((resolve) => t.mock.method(console, "error", (...words) => resolve(words.join(" "))));
  writeFileSync(path, '{ "a": ');
  assert.match(await told, /cannot be read as it is now/);
  writeFileSync(path, '{ "a": 2 }');
  await changed;
  leave();
});

test("a context cannot change what it runs by, except when it says so", async (t) => {
  const model = file.json(join(folder(t), "x.json"), defaults({ a: 0, b: 0 }));
  await model.write(effects, { a: 1, b: 1 });
  const one = context();
  one.effects.constRetry = () => {};
  await model.read((value) => value.a).const(one.effects);
  await model.merge(one.effects, { b: 5 });
  await assert.rejects(model.merge(one.effects, { a: 5 }), /write after const/);
  await model.merge(one.effects, { a: 5 }, { allowWriteAfterConst: true });
  one.leave();
});

test("secrets are made once, kept for their owner alone, and shown nowhere", async (t) => {
  const dir = folder(t);
  process.env.HEARTH_PACKAGE_ROOT = dir;
  t.after(() => delete process.env.HEARTH_PACKAGE_ROOT);
  const keys = secrets(new Volume("main"), { admin: { charset: "a-z", len: 24 } });
  await keys.make(effects);
  const { admin } = await keys.once();
  assert.ok(admin instanceof Secret);
  assert.match(admin.reveal(), /^[a-z]{24}$/);
  await keys.make(effects);
  assert.equal((await keys.once()).admin.reveal(), admin.reveal());
  assert.equal(statSync(join(dir, "volumes/main/secrets.json")).mode & 0o777, 0o600);
  const { inspect, format } = await import("node:util");
  for (const shown of [`${admin}`, String(admin), JSON.stringify({ admin }), inspect({ admin }), format("%s %o", admin, admin), admin + ""]) assert.ok(!shown.includes(admin.reveal()), shown);
});
