// A package of definePackage on a host in memory, from its install to its end.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { action, Backups, definePackage, field, form, inputOf, Mounts, published, say, task } from "@hearthos/sdk";
import { TestHost } from "@hearthos/sdk/testing";

const about = { id: "notes", title: "Notes", license: "MIT", short: "s", long: "l", packageRepo: "https://a.example", upstreamRepo: "https://b.example", website: "https://c.example" };

/** Ends what a host runs and the host, also where a test has failed: what runs on would keep node from ending. */
async function end(t, host) {
  t.mock.timers.reset();
  await host.stop();
  host.close();
}

/** `up` tells whether the database has come up. */
function notes(up = () => true) {
  return definePackage({
    about,
    versions: [{ version: "1.0.0:0", notes: "first" }, { version: "1.1.0:0", notes: "second", up: ({ settings }) => settings.rewrite((old) => ({ ...old, name: `${old.name}!` })), down: async () => {} }],
    images: { main: "notes:1", db: "postgres:17" },
    volumes: ["main", "db"],
    settings: { form: form({ name: field.text({ name: "Name", default: "Ada" }), size: field.number({ name: "Size", default: 3, integer: true }) }), task: { severity: "critical", reason: "Choose" } },
    secrets: { admin: { charset: "a-z", len: 20 } },
    interfaces: { ui: { port: 8080, name: "Page", description: "The page" } },
    needs: { tor: { title: "Tor", versions: ">=0.4:0", running: ["proxy"], optional: true } },
    actions: ({ secrets, settings }) => [
      action({ id: "show", name: "Show", description: "Shows the password", run: async () => say("Password", null, { value: (await secrets.once()).admin.reveal(), masked: true }) }),
      action({ id: "grow", name: "Grow", description: "Grows", input: form({ by: field.number({ name: "By", default: 1 }) }), run: async ({ effects, input }) => void (await settings.merge(effects, { size: (await settings.read().once()).size + input.by })) }),
    ],
    tasks: ({ grow }) => [task(grow, "optional", { reason: "Grow once" }), task(published("join"), "important", { of: "tor" })],
    run: ({ settings, secrets }) => ({
      web: { image: "main", mounts: { "/data": "main/files" }, env: { NAME: settings.name, PASSWORD: secrets.admin }, command: ["serve"], after: ["database"], ready: { port: 8080, name: "Page" } },
      database: { image: "db", mounts: { "/var/lib/db": "db" }, command: ["postgres"], after: ["prepare"], ready: { check: () => ({ result: up() ? "success" : "starting", message: null }) } },
      prepare: { image: "main", once: true, command: ["prepare"] },
    }),
  });
}

test("a version that is none is told with what one looks like", () => {
  const pkg = (version) => definePackage({ about, versions: [{ version, notes: "first" }], images: { main: "notes:1" }, volumes: ["main"], run: () => ({}) });
  assert.equal(pkg("1.0:0").manifest.version, "1.0:0");
  assert.throws(() => pkg("1.0"), /cannot parse the version of a package "1\.0": it is UPSTREAM:DOWNSTREAM, as 1\.0\.0:0/);
});

test("the install keeps settings and secrets, and tells the host what there is", async (t) => {
  const host = new TestHost(notes());
  t.after(() => host.close());
  await host.install();
  assert.equal(host.dataVersion, "1.1.0:0");
  assert.deepEqual([...host.actions.keys()], ["settings", "show", "grow"]);
  assert.deepEqual([...host.tasks].map(([id, { severity }]) => [id, severity]), [["notes:settings", "critical"], ["notes:grow", "optional"], ["tor:join", "important"]]);
  assert.equal(host.interfaces.get("ui").addressInfo.scheme, "http");
  assert.deepEqual(host.dependencies, [{ id: "tor", kind: "running", versionRange: ">=0.4:0", healthChecks: ["proxy"] }]);
  assert.deepEqual(JSON.parse(readFileSync(join(host.root, "volumes/main/settings.json"), "utf8")), { name: "Ada", size: 3 });
  assert.match((await host.run("show")).result.value, /^[a-z]{20}$/);
});

test("actions take what their form allows, and change what is kept", async (t) => {
  const host = new TestHost(notes());
  t.after(() => host.close());
  await host.install();
  assert.deepEqual((await host.input("settings")).value, { name: "Ada", size: 3 });
  await assert.rejects(host.run("settings", { size: 1.5 }), /size: must be a whole number/);
  await host.run("settings", { size: 4 });
  await host.run("grow", { by: 2 });
  assert.equal((await host.input("settings")).value.size, 6);
  assert.ok(!host.tasks.has("notes:settings"));
});

test("an update adds the defaults of new settings and keeps what people chose", async (t) => {
  const host = new TestHost(notes());
  t.after(() => host.close());
  await host.install();
  await host.run("settings", { name: "Bob" });
  writeFileSync(join(host.root, "volumes/main/settings.json"), '{"name":"Bob"}');
  host.dataVersion = "1.0.0:0";
  await host.install("update");
  assert.deepEqual((await host.input("settings")).value, { name: "Bob!", size: 3 });
  assert.equal(host.dataVersion, "1.1.0:0");
});

test("after an update or a restore people are asked for what the settings lack, and for what has to hold", async (t) => {
  const pkg = (fields, more = {}) => definePackage({
    about, versions: [{ version: "1.0:0", notes: "first" }], images: { main: "notes:1" }, volumes: ["main"],
    settings: { form: form({ a: field.text({ name: "A", default: "x" }), ...fields }) },
    needs: { tor: { title: "Tor", versions: ">=0.4:0", optional: true } },
    tasks: () => [task(published("join"), "important", { of: "tor" }), task(published("settings"), "critical", { of: "tor", when: { condition: "input-not-matches", once: false }, input: { kind: "partial", accept: [{ on: true }] } })],
    run: ({ settings }) => ({ web: { image: "main", command: ["serve", String(settings.b)], ready: { port: 80 } } }),
    ...more,
  });
  const first = new TestHost(pkg({}));
  t.after(() => first.close());
  await first.install();
  assert.deepEqual([...first.tasks.keys()].sort(), ["tor:join", "tor:settings"]);
  first.tasks.clear();
  await first.install("update");
  assert.deepEqual([...first.tasks.keys()], ["tor:settings"], "what was done once is done");

  const second = new TestHost(pkg({ b: field.text({ name: "B" }) }));
  t.after(() => second.close());
  mkdirSync(join(second.root, "volumes/main"), { recursive: true });
  writeFileSync(join(second.root, "volumes/main/settings.json"), '{"a":"kept"}');
  for (const kind of ["update", "restore"]) {
    second.tasks.clear();
    await second.install(kind);
    assert.equal(second.tasks.get("notes:settings")?.severity, "critical", kind);
  }
  await second.run("settings", { a: "kept", b: "said" });
  assert.ok(!second.tasks.has("notes:settings"));
  await second.install("update");
  assert.ok(!second.tasks.has("notes:settings"));
});

test("the parts begin one after another, and only those that changed begin anew", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const host = new TestHost(notes(() => host.commands.some((line) => line.endsWith(" postgres"))), { clock: t.mock.timers, programs: { prepare: "exit 0" } });
  t.after(() => end(t, host));
  await host.install();
  await host.start();
  await host.until(() => host.commands.some((line) => line.endsWith(" serve")));
  const order = host.commands.filter((line) => / (prepare|postgres|serve)$/.test(line)).map((line) => line.split(" ").at(-1));
  assert.deepEqual(order, ["prepare", "postgres", "serve"]);
  assert.ok(host.commands.some((line) => line.startsWith("bind-mount") && line.includes("volumes/main/files")));
  assert.ok(existsSync(join(host.root, "volumes/main/files")));
  assert.notEqual(host.health.get("web")?.result, "success");
  host.listen(8080);
  await host.until(() => host.health.get("web")?.result === "success");
  assert.deepEqual(host.health.get("web"), { id: "web", name: "Page", result: "success", message: "Page is ready" });

  await host.run("settings", { name: "Eve" });
  await host.until(() => host.commands.filter((line) => line.endsWith(" serve")).length === 2);
  assert.ok(host.commands.filter((line) => line.endsWith(" serve"))[1].includes("NAME=Eve"));
  assert.equal(host.commands.filter((line) => line.endsWith(" postgres")).length, 1, "the database runs on");
  assert.equal(host.restarts, 0);
  t.mock.timers.reset();
  await host.stop();
  const gone = host.calls.filter(({ effect }) => effect === "subcontainer.destroy-fs").length;
  assert.equal(gone, host.calls.filter(({ effect }) => effect === "subcontainer.create-fs").length);
});

test("a part that is none any more is not well any more", async (t) => {
  const pkg = definePackage({
    about, versions: [{ version: "1.0:0", notes: "first" }], images: { main: "notes:1" }, volumes: ["main"],
    settings: { form: form({ mail: field.toggle({ name: "Mail", default: true }) }) },
    run: ({ settings }) => ({ web: { image: "main", command: ["serve"], ready: { name: "Page", check: () => ({ result: "success", message: "" }) } }, ...(settings.mail ? { mail: { image: "main", command: ["post"], ready: { name: "Mail", check: () => ({ result: "success", message: "" }) } } } : {}) }),
  });
  const host = new TestHost(pkg);
  t.after(() => end(t, host));
  await host.install();
  await host.start();
  await host.until(() => host.health.get("mail")?.result === "success");
  await host.run("settings", { mail: false });
  await host.until(() => host.health.get("mail")?.result === "disabled");
  assert.equal(host.health.get("web")?.result, "success");
});

test("a part begins anew when what it is made of changes", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const pkg = definePackage({
    about,
    versions: [{ version: "1.0.0:0", notes: "first" }],
    images: { main: "notes:1" },
    volumes: ["main"],
    settings: { form: form({ name: field.text({ name: "Name", default: "Ada" }) }) },
    run: ({ settings }) => ({
      reads: { image: "main", command: ["reads"], from: `name = ${settings.name}`, ready: { port: 80 } },
      other: { image: "main", command: ["other"], ready: { port: 80 } },
    }),
  });
  const host = new TestHost(pkg, { clock: t.mock.timers });
  t.after(() => end(t, host));
  const begun = (name) => host.commands.filter((line) => line.endsWith(` ${name}`)).length;
  await host.install();
  await host.start();
  await host.until(() => begun("reads") === 1 && begun("other") === 1);
  await host.run("settings", { name: "Eve" });
  await host.until(() => begun("reads") === 2);
  assert.equal(begun("other"), 1);
  assert.ok(!host.commands.some((line) => line.includes("name = ")), "what it is made of is not told to the command");
  t.mock.timers.reset();
  await host.stop();
});

test("a part is told to end by its signal, else by that of its image, and what does not end is killed and said", async (t) => {
  const ready = { check: () => ({ result: "success", message: null }) };
  const pkg = definePackage({
    about,
    versions: [{ version: "1.0.0:0", notes: "first" }],
    images: { main: "notes:1", db: "postgres:17", odd: "odd:1" },
    volumes: ["main"],
    run: () => ({
      says: { image: "main", command: ["says"], signal: "SIGQUIT", ready },
      image: { image: "db", command: ["image"], ready },
      none: { image: "main", command: ["none"], ready },
      odd: { image: "odd", command: ["odd"], ready },
      deaf: { image: "main", command: ["deaf"], signal: "SIGINT", patience: 0.2, ready },
    }),
  });
  // Each writes down what it hears.
  const hears = (name) => `for s in TERM INT QUIT; do trap "echo ${name} $s >> $HEARTH_PACKAGE_ROOT/heard; exit 0" $s; done; echo ${name} >> $HEARTH_PACKAGE_ROOT/begun; while :; do sleep 0.05; done`;
  const programs = Object.fromEntries(["says", "image", "none", "odd"].map((name) => [name, hears(name)]));
  programs.deaf = `trap "" TERM INT; echo deaf >> $HEARTH_PACKAGE_ROOT/begun; i=0; while [ $i -lt 600 ]; do sleep 0.05; i=$((i+1)); done`;
  const host = new TestHost(pkg, { programs });
  t.after(() => end(t, host));
  writeFileSync(join(host.root, "images/db.json"), '{"entrypoint":["db"],"stopSignal":"SIGINT"}');
  writeFileSync(join(host.root, "images/odd.json"), '{"entrypoint":["odd"],"stopSignal":"SIGRTMIN+3"}');
  const said = t.mock.method(console, "error", () => {});
  await host.install();
  await host.start();
  const lines = (name) => (existsSync(join(host.root, name)) ? readFileSync(join(host.root, name), "utf8").trim().split("\n").sort() : []);
  await host.until(() => lines("begun").length === 5);
  await host.stop();
  assert.deepEqual(lines("heard"), ["image INT", "none TERM", "odd TERM", "says QUIT"]);
  assert.deepEqual(said.mock.calls.map(({ arguments: [text] }) => text), ["deaf did not end within 0.2 s of SIGINT and is killed"]);
});

test("a part that mounts a volume of no name, or has a member of none, does not start", async (t) => {
  const pkg = (part) => definePackage({ about, versions: [{ version: "1.0.0:0", notes: "first" }], images: { main: "notes:1" }, volumes: ["main"], run: () => ({ web: { image: "main", ready: { port: 1 }, ...part } }) });
  for (const [part, why] of [
    [{ mounts: { "/data": "nope" } }, /the part web mounts the volume nope at \/data, and the package has main/],
    [{ mounts: { "/data": { volume: "nope", folder: "x" } } }, /mounts the volume nope/],
    [{ moutns: { "/data": "main" } }, /the part web has no member moutns: there are image, /],
  ]) {
    const host = new TestHost(pkg(part));
    t.after(() => end(t, host));
    await host.install();
    await assert.rejects(host.start(), why);
    assert.deepEqual(readdirSync(join(host.root, "volumes")), ["main"]);
  }
});

test("a mount by hand makes no volume either", async (t) => {
  const host = new TestHost(notes());
  t.after(() => host.close());
  const mounts = (options) => Mounts.of(options).mountVolume({ volumeId: "nope", subpath: "x", mountpoint: "/data", readonly: false });
  await assert.rejects(mounts().mountIn({}, join(host.root, "subcontainers")), /the volume nope cannot be mounted/);
  assert.deepEqual(readdirSync(join(host.root, "volumes")).sort(), ["db", "main"]);
});

test("a restart that is needed is asked for, and an uninstall forgets the data", async () => {
  const host = new TestHost(notes());
  await host.install();
  await host.uninstall();
  assert.equal(host.dataVersion, null);
  assert.ok(!existsSync(host.root));
});

test("what a package declares stands in its manifest, in a member that StartOS ignores", () => {
  const one = (more) => definePackage({ about, versions: [{ version: "1.0.0:0", notes: "first" }], images: { main: "a:1" }, volumes: ["main"], run: () => ({}), ...more }).manifest;
  assert.ok(!("hearth" in one({})));
  assert.deepEqual(one({ limits: { memory: "512M", cpu: 0.5, disk: "1.5G", processes: 100 } }).hearth, { limits: { memory: 2 ** 29, cpu: 500, disk: 1.5 * 2 ** 30, processes: 100 } });
  assert.deepEqual(one({ permissions: ["mail"] }).hearth, { permissions: ["mail"] });
  assert.deepEqual(one({ network: [] }).hearth, { network: [] });
  assert.deepEqual(one({ network: ["lan", "192.0.2.0/24", "192.0.2.1", "2001:db8::1"] }).hearth, { network: ["lan", "192.0.2.0/24", "192.0.2.1/32", "2001:db8::1/128"] });
  assert.deepEqual(one({ network: ["API.example.org", "*.example.net:443", "1.example.org"] }).hearth, { network: ["api.example.org", "*.example.net:443", "1.example.org"] });
  for (const wrong of ["example.org:", "example.org:0", "example.org:65536", "*.org", "a..org", "-a.example.org", "büro.example.org", "https:example.org"]) {
    assert.throws(() => one({ network: [wrong] }), /is not a name such as/, wrong);
  }
  assert.throws(() => one({ limits: { memory: "1M" } }), /limits.memory must be at least 67108864/);
  assert.throws(() => one({ limits: { memory: "lots" } }), /is no size/);
});

test("a service publishes numbers while it runs, and one that cannot be read keeps nobody else's", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  let visits = 1;
  const pkg = definePackage({
    about, versions: [{ version: "1.0.0:0", notes: "first" }], images: { main: "a:1" }, volumes: ["main"],
    settings: { form: form({ size: field.number({ name: "Size", default: 3 }) }) },
    metrics: {
      visits: { name: "Visits", read: () => visits },
      size: { name: "Size", unit: "MB", read: ({ settings }) => settings.size },
      absent: { name: "Absent", read: () => null },
      broken: { name: "Broken", read: () => { throw new Error("no such file"); } },
    },
    run: () => ({}),
  });
  const host = new TestHost(pkg, { clock: t.mock.timers });
  const told = t.mock.method(console, "error", () => {});
  try {
    await host.install();
    assert.equal(host.metrics.size, 0);
    await host.start();
    // The clock of the test runs ahead of what reads files, so a round may be without a number.
    await host.until(() => host.metrics.size === 2);
    assert.deepEqual([...host.metrics.values()], [{ id: "visits", name: "Visits", unit: null, value: 1 }, { id: "size", name: "Size", unit: "MB", value: 3 }]);
    visits = 2;
    await host.until(() => host.metrics.get("visits")?.value === 2);
    const texts = told.mock.calls.map(({ arguments: [text] }) => text);
    assert.ok(texts.some((text) => text.includes("broken: no such file")));
    assert.ok(texts.every((text, i) => text !== texts[i - 1]), texts.join("\n"));
    await host.stop();
    const before = host.calls.length;
    t.mock.timers.tick(60_000);
    assert.equal(host.calls.length, before);
  } finally {
    await end(t, host);
  }
});

test("a running service is backed up with quiet data, which are thawed however it ends", async () => {
  const done = [];
  let backedUp = async () => void done.push("copied");
  const pkg = (more = {}) => definePackage({
    about, versions: [{ version: "1.0.0:0", notes: "first" }], images: { main: "a:1" }, volumes: ["main"],
    quiet: {
      freeze: async ({ volumes }) => done.push(`frozen ${volumes.main.id}`),
      thaw: async () => done.push("thawed"),
    },
    backup: async () => Backups.withOptions().setPreBackup(() => backedUp()),
    run: () => ({}),
    ...more,
  });
  assert.deepEqual(pkg().manifest.hearth, { freeze: true });
  const host = new TestHost(pkg());
  await host.install();
  await host.backup();
  assert.deepEqual(done.splice(0), ["copied"], "of a stopped service nothing has to be frozen");
  await host.start();
  await host.backup();
  assert.deepEqual(done.splice(0), ["frozen main", "copied", "thawed"]);
  backedUp = async () => { throw new Error("no room"); };
  await assert.rejects(host.backup(), /no room/);
  assert.deepEqual(done.splice(0), ["frozen main", "thawed"]);
  await host.stop();
  await host.uninstall();

  const writes = (text) => ({ volumes }) => volumes.main.writeFile("words", text);
  const apart = new TestHost(pkg({ backup: ["main"], quiet: { freeze: writes("quiet"), thaw: writes("later") } }));
  await apart.install();
  await apart.start();
  await apart.backup();
  assert.equal(readFileSync(join(apart.root, "backup/volumes/main/words"), "utf8"), "quiet", "the backup is of the moment when the data were quiet");
  assert.equal(readFileSync(join(apart.root, "volumes/main/words"), "utf8"), "later");
  await apart.stop();
  await apart.uninstall();

  const dumps = new TestHost(pkg({ backup: async () => Backups.withPgDump({ imageId: "main", dbVolume: "main", mountpoint: "/var/lib/postgresql", pgdataPath: "/data", database: "a", user: "a", password: null }) }));
  await dumps.install();
  await dumps.start();
  await assert.rejects(dumps.backup(), /is dumped by a server of its own/);
  await dumps.uninstall();
});

test("a package reads what people chose in another one that tells it", async (t) => {
  const read = [];
  const pkg = definePackage({
    about, versions: [{ version: "1.0.0:0", notes: "first" }], images: { main: "a:1" }, volumes: ["main"],
    needs: { database: { title: "Database", versions: ">=1.0:0" } },
    run: async ({ effects }) => (read.push(await inputOf({ effects, packageId: "database", action: published("settings") })), {}),
  });
  let form = { eventId: "e", spec: {}, value: { metrics: true } };
  const host = new TestHost(pkg, { answers: { "action.get-input": ({ packageId, actionId }) => (assert.deepEqual([packageId, actionId], ["database", "settings"]), form) } });
  t.after(() => end(t, host));
  await host.install();
  await host.start();
  await host.stop();
  form = null;
  await host.start();
  assert.deepEqual(read, [{ metrics: true }, null]);
});

test("what people have to say first is asked for, and the file comes with what they say", async () => {
  const seen = [];
  const described = (fields, versions = [{ version: "1.0.0:0", notes: "first" }]) => definePackage({
    about, versions, images: { main: "a:1" }, volumes: ["main"],
    settings: { form: form(fields), task: { severity: "critical", reason: "Say it" } },
    prepare: async ({ settings }) => void seen.push(settings),
    run: ({ settings }) => (seen.push(settings), {}),
  });
  const domain = field.text({ name: "Domain" });
  const size = field.number({ name: "Size", default: 3 });
  const pkg = described({ domain, size });
  const host = new TestHost(pkg);
  await host.install();
  const file = join(host.root, "volumes/main/settings.json");
  assert.ok(!existsSync(file));
  assert.deepEqual(seen.splice(0), [{ domain: null, size: 3 }]);
  assert.deepEqual((await host.input("settings")).value, { domain: null, size: 3 });
  await assert.rejects(host.start(), /lack what people have to say/);
  await assert.rejects(host.run("settings", { size: 4 }), /domain/);
  await host.run("settings", { domain: "a.example" });
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), { domain: "a.example", size: 3 });
  await host.start();
  assert.deepEqual(seen.splice(0), [{ domain: "a.example", size: 3 }]);
  await host.stop();

  // An update that asks for more keeps what they said.
  host.pkg.init = described({ domain, size, mail: field.text({ name: "Mail" }) }).init;
  await host.install("update");
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), { domain: "a.example", size: 3 });
  await host.uninstall();
});
