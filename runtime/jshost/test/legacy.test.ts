import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Reason } from "../src/fault.js";
import { refusalOf } from "../src/status.js";
import { json } from "./host.js";
import { Program } from "./program.js";

const docker = (entrypoint: string, ...args: string[]) => ({ type: "docker", image: "main", system: false, entrypoint, args, inject: false, mounts: { main: "/data" }, "io-format": "json" });
const compat = (...args: string[]) => ({ type: "docker", image: "compat", system: true, entrypoint: "compat", args, mounts: { BACKUP: "/mnt/backup", main: "/data" }, "io-format": "yaml" });
const script = { type: "script" };

/** A manifest as StartOS 0.3 had them; change may alter it. */
function manifest(change: object = {}): object {
  return {
    id: "notes", title: "Notes", version: "1.2.3.1", "eos-version": "0.3.5.1",
    main: { ...docker("sh", "-c", "echo up > data/state; trap 'echo down > data/state; exit 0' TERM; sleep 1000 & wait"), "sigterm-timeout": "5s" },
    "health-checks": {
      web: { name: "Web page", "success-message": "It answers", ...docker("test", "-e", "data/well") },
      sync: { name: "Sync", ...script },
    },
    config: { get: script, set: script },
    properties: script,
    volumes: { main: { type: "data" }, compat: { type: "assets" } },
    interfaces: {
      main: { name: "Page", description: "The page", "tor-config": { "port-mapping": { "80": "3000" } }, "lan-config": { "443": { ssl: true, internal: 3000 } }, ui: true, protocols: ["tcp", "http"] },
      peers: { name: "Peers", description: "Others", "tor-config": null, "lan-config": { "22000": { ssl: false, internal: 22000 } }, ui: false, protocols: ["tcp"] },
    },
    backup: { create: compat("duplicity", "create", "/mnt/backup", "/data"), restore: compat("duplicity", "restore", "/mnt/backup", "/data") },
    migrations: { from: { "<1.2.0": { type: "script", args: ["from"] } }, to: { "*": { type: "script", args: ["to"] } } },
    actions: {
      reset: { name: "Reset", description: "Resets it", warning: "All goes", "allowed-statuses": ["stopped"], implementation: script, "input-spec": { word: { type: "string", name: "Word", nullable: false, pattern: "^[a-z]+$", "pattern-description": "only letters" } } },
      count: { name: "Count", description: "Counts", warning: null, "allowed-statuses": ["running", "stopped"], implementation: docker("sh", "-c", `cat > data/asked; echo '{"version":"0","message":"Counted","value":"7","copyable":true,"qr":false}'`), "input-spec": null },
    },
    dependencies: { disk: { version: "^2.0.0", requirement: { type: "required" }, description: null, config: null }, mail: { version: "*", requirement: { type: "opt-in", how: "say so" }, config: null } },
    ...change,
  };
}

const code = `
const spec = {
  name: { type: "string", name: "Name", nullable: false, default: "Ada" },
  size: { type: "number", name: "Size", range: "[1,10]", integral: true, nullable: false, default: 3 },
  store: { type: "union", tag: { id: "kind", name: "Store", "variant-names": { here: "Here", there: "There" } }, default: "here", variants: { here: {}, there: { url: { type: "string", name: "URL", nullable: true } } } },
  address: { type: "pointer", name: "Address", subtype: "package", target: "lan-address", "package-id": "notes", interface: "main" },
};
const file = { volumeId: "main", path: "start9/config.json" };
export async function getConfig(effects) {
  return { result: { spec, config: (await effects.exists(file)) ? await effects.readJsonFile(file) : undefined } };
}
export async function setConfig(effects, config) {
  if (config.name === "nobody") return { error: "nobody is not a name" };
  await effects.createDir({ volumeId: "main", path: "start9" });
  await effects.writeJsonFile({ ...file, toWrite: config });
  return { result: { signal: "SIGTERM", "depends-on": config.store.kind === "there" ? { mail: ["smtp"] } : {} } };
}
export const health = { async sync(effects, ms) { return ms > 0 ? { "error-code": [61, "at 40%"] } : { result: null }; } };
export const properties = async () => ({ result: { version: 2, data: {
  Password: { type: "string", value: "s3cret", masked: true, copyable: true },
  More: { type: "object", description: "More", value: { Port: { type: "string", value: "22" } } },
} } });
export const action = { async reset(effects, input) { return { result: { version: "0", message: "Was " + input.word, copyable: false, qr: false } }; } };
export async function migration(effects, version, way) {
  await effects.writeFile({ volumeId: "main", path: "migrated", toWrite: way + " " + version });
  return { result: { configured: true } };
}
`;

test("a package of StartOS 0.3 is set up with its ports, actions and needs, and waits for its configuration", { timeout: 60_000 }, async (t) => {
  const p = await Program.runLegacy(t, manifest(), code);
  const { host } = p;
  await p.call("init", { eventId: "e1", kind: "install" });

  const bound = (await host.seen("bind", 2)).map(({ params }) => [params["id"], params["internalPort"], params["preferredExternalPort"], params["addSsl"] !== undefined]);
  assert.deepEqual(bound, [["main", 3000, 80, true], ["peers", 22000, 22000, false]]);
  assert.deepEqual((await host.seen("export-service-interface", 2)).map(({ params }) => [params["id"], params["type"]]), [["main-3000", "ui"], ["peers-22000", "api"]]);
  const needs = (await host.seen("set-dependencies"))[0]!.params["dependencies"] as any[];
  assert.deepEqual(needs.map(({ id, kind, versionRange }) => [id, kind, versionRange]), [["disk", "running", "^2.0.0:0"]]);
  const actions = (await host.seen("action.export", 4)).map(({ params }) => [params["id"], (params["metadata"] as any).allowedStatuses, (params["metadata"] as any).hasInput]);
  assert.deepEqual(actions, [["config", "any", true], ["properties", "any", false], ["reset", "only-stopped", true], ["count", "any", false]]);
  const task = (await host.seen("action.create-task"))[0]!.params;
  assert.deepEqual([task["packageId"], task["actionId"], task["severity"], task["replayId"]], ["notes", "config", "critical", "needs-config"]);
  assert.deepEqual((await host.seen("set-data-version"))[0]!.params, { version: "1.2.3:1" });
  assert.equal(existsSync(p.path("media/volumes/main/migrated")), false, "nothing is migrated at the first installation");
});

test("a configuration of StartOS 0.3 is a form, and its answer is what its script gets", { timeout: 60_000 }, async (t) => {
  const p = await Program.runLegacy(t, manifest(), code);
  p.host.answers.set("get-host-info", () => json({ bindings: { 3000: { addresses: { available: [{ hostname: "10.0.0.2" }, { hostname: "notes.local" }] } } } }));
  await p.call("init", { eventId: "e1", kind: "install" });
  const form = await p.execute("/actions/config/getInput", { prefill: null }, "e2");
  assert.deepEqual(Object.keys(form.spec), ["name", "size", "store"]);
  assert.deepEqual([form.spec.size.min, form.spec.size.max, form.spec.size.integer], [1, 10, true]);
  assert.deepEqual(form.value, { name: "Ada", size: 3, store: { selection: "here", value: {} } });

  const refused = async (input: object) => {
    const err = await p.execute("/actions/config/run", { input }, "e2").then(() => assert.fail("was not refused"), (e: unknown) => e);
    const { fault, message } = refusalOf(err) ?? assert.fail(String(err));
    return { reason: fault && Reason[fault.reason], fields: (fault?.violations ?? []).map(({ field }) => field), message };
  };
  assert.deepEqual((await refused({ name: "Ada", size: 11, store: { selection: "here", value: {} } })).fields, ["size"]);
  const own = await refused({ name: "nobody", size: 3, store: { selection: "here", value: {} } });
  assert.deepEqual([own.reason, own.message], ["PACKAGE_CODE_FAILED", "nobody is not a name"]);
  assert.equal(existsSync(p.path("media/volumes/embassy/config.json")), false, "what was refused is not kept");

  await p.execute("/actions/config/run", { input: { name: "Grace", size: 4, store: { selection: "there", value: { url: "x" } } } }, "e2");
  const written = JSON.parse(readFileSync(p.path("media/volumes/main/start9/config.json"), "utf8"));
  assert.deepEqual(written, { name: "Grace", size: 4, store: { url: "x", kind: "there" }, address: "notes.local" });
  assert.deepEqual(JSON.parse(readFileSync(p.path("media/volumes/embassy/config.json"), "utf8")), written);
  const needs = (await p.host.seen("set-dependencies", 2)).at(-1)!.params["dependencies"] as any[];
  assert.deepEqual(needs.map(({ id, healthChecks }) => [id, healthChecks]), [["disk", []], ["mail", ["smtp"]]]);
  await p.host.seen("restart");
  assert.deepEqual((await p.host.seen("action.clear-tasks")).at(-1)!.params, { only: ["needs-config"] });
  assert.deepEqual((await p.execute("/actions/config/getInput", { prefill: null }, "e3")).value, { name: "Grace", size: 4, store: { selection: "there", value: { url: "x" } } });
});

test("main of StartOS 0.3 runs with its volumes, is watched by its checks and told to end", { timeout: 60_000 }, async (t) => {
  const p = await Program.runLegacy(t, manifest({ config: null }), code);
  const { host } = p;
  await p.call("init", { eventId: "e1", kind: "install" });
  assert.equal(host.names().includes("action.create-task"), false, "a package without a configuration needs none");
  await p.call("start");
  const state = (id: string, result: string) => async () => {
    for (let n = 1; ; n++) {
      const found = (await host.seen("set-health", n)).find(({ params }) => params["id"] === id && params["result"] === result);
      if (found) return found.params;
    }
  };
  await state("web", "starting")();
  await state("web", "failure")();
  assert.equal((await state("sync", "loading")())["message"], "at 40%");
  writeFileSync(p.path("media/volumes/main/well"), "");
  assert.equal((await state("web", "success")())["message"], "It answers");
  assert.equal(readFileSync(p.path("media/volumes/main/state"), "utf8"), "up\n");
  await p.call("stop");
  assert.equal(readFileSync(p.path("media/volumes/main/state"), "utf8"), "down\n");
  const made = host.names().filter((name) => name === "subcontainer.create-fs").length;
  assert.equal(host.names().filter((name) => name === "subcontainer.destroy-fs").length, made, "all roots are gone");
});

test("actions and properties of StartOS 0.3 answer in the form of today", { timeout: 60_000 }, async (t) => {
  const p = await Program.runLegacy(t, manifest(), code);
  await p.call("init", { eventId: "e1", kind: "install" });
  const form = await p.execute("/actions/reset/getInput", { prefill: null }, "e2");
  assert.equal(form.spec.word.patterns[0].description, "only letters");
  assert.equal((await p.execute("/actions/reset/run", { input: { word: "old" } }, "e2")).message, "Was old");
  assert.deepEqual(await p.execute("/actions/count/run", { input: {} }, "e2"), { version: "0", message: "Counted", value: "7", copyable: true, qr: false });
  assert.equal(readFileSync(p.path("media/volumes/main/asked"), "utf8"), "{}", "a command reads its input");
  const shown = await p.execute("/actions/properties/run", { input: {} }, "e2");
  assert.deepEqual(shown.result.value.map((one: any) => [one.name, one.type, one.masked ?? null]), [["Password", "single", true], ["More", "group", null]]);
});

test("data of an earlier version are migrated by the script, and back", { timeout: 60_000 }, async (t) => {
  const p = await Program.runLegacy(t, manifest(), code);
  p.host.answers.set("get-data-version", () => ({ value: "1.1.0:2" }));
  await p.call("init", { eventId: "e1", kind: "update" });
  assert.equal(readFileSync(p.path("media/volumes/main/migrated"), "utf8"), "from 1.1.0.2");
  assert.deepEqual((await p.host.seen("set-data-version")).at(-1)!.params, { version: "1.2.3:1" });
  await p.call("exit", { eventId: "e2", target: "1.0.0:0" });
  assert.equal(readFileSync(p.path("media/volumes/main/migrated"), "utf8"), "to 1.0.0.0");
});

test("a backup by the image of StartOS 0.3 is one of files, and restores them with what the host kept", { timeout: 60_000 }, async (t) => {
  const p = await Program.runLegacy(t, manifest(), code);
  p.host.answers.set("get-data-version", () => ({ value: "1.2.3:1" }));
  await p.call("init", { eventId: "e1", kind: "" });
  const data = (name: string) => p.path("media/volumes/main", name);
  mkdirSync(data("cache"));
  writeFileSync(data("cache/x"), "x");
  writeFileSync(data(".backupignore"), "cache\n");
  writeFileSync(data("note"), "before");
  writeFileSync(p.path("media/volumes/embassy/config.json"), "{}");
  await p.execute("/backup/create", {});
  assert.equal(existsSync(p.path("media/backup/files/cache")), false);
  assert.equal(readFileSync(p.path("media/backup/dataVersion.txt"), "utf8"), "1.2.3:1");

  writeFileSync(data("note"), "after");
  writeFileSync(p.path("media/volumes/embassy/config.json"), '{"other":1}');
  await p.call("exit", { eventId: "e2", target: "1.2.3:1" });
  const restored = await Program.runLegacy(t, manifest(), code);
  for (const from of ["media/backup"]) writeFileSync(restored.path(from, "dataVersion.txt"), readFileSync(p.path(from, "dataVersion.txt")));
  mkdirSync(restored.path("media/backup/files"));
  mkdirSync(restored.path("media/backup/hearth-own"));
  writeFileSync(restored.path("media/backup/files/note"), readFileSync(p.path("media/backup/files/note")));
  writeFileSync(restored.path("media/backup/hearth-own/config.json"), readFileSync(p.path("media/backup/hearth-own/config.json")));
  await restored.call("init", { eventId: "e1", kind: "restore" });
  assert.equal(readFileSync(restored.path("media/volumes/main/note"), "utf8"), "before");
  assert.equal(readFileSync(restored.path("media/volumes/embassy/config.json"), "utf8"), "{}");
  assert.deepEqual((await restored.host.seen("set-data-version"))[0]!.params, { version: "1.2.3:1" });
});

test("a script stays in its volumes, whatever the service puts there", { timeout: 60_000 }, async (t) => {
  const attempts = `
export const properties = async (effects) => {
  const tried = [];
  const attempt = async (name, run) => tried.push([name, await run().then((x) => "did " + JSON.stringify(x), (err) => err.name)]);
  const at = (path) => ({ volumeId: "main", path });
  for (const path of ["../../secret", "a/../../../secret", "link", "folder/secret", "up/secret", "absolute"]) {
    await attempt("read " + path, () => effects.readFile(at(path)));
    await attempt("write " + path, () => effects.writeFile({ ...at(path), toWrite: "mine" }));
    await attempt("look " + path, () => effects.metadata(at(path)));
    await attempt("chmod " + path, () => effects.chmod({ ...at(path + "/x"), mode: "777" }));
  }
  await attempt("list", () => effects.readDir(at("folder")));
  await attempt("make", () => effects.createDir(at("folder/new")));
  await attempt("remove", () => effects.removeDir(at("folder/kept")));
  await attempt("rename", () => effects.rename({ srcVolume: "main", srcPath: "own", dstVolume: "main", dstPath: "folder/own" }));
  await attempt("sync", () => effects.runRsync({ srcVolume: "main", srcPath: "folder", dstVolume: "main", dstPath: "copy", options: { delete: true, force: true, ignoreExisting: false, exclude: [] } }).wait());
  await attempt("volume", () => effects.readFile({ volumeId: "../main", path: "own" }));
  await attempt("assets", () => effects.writeFile({ volumeId: "compat", path: "x", toWrite: "x" }));
  await attempt("inner", () => effects.readFile(at("inner")));
  await attempt("own", () => effects.readFile(at("/a/../own")));
  await attempt("pipe", () => effects.readFile(at("pipe")));
  await attempt("removed", () => effects.removeFile(at("link")));
  return { result: { version: 2, data: Object.fromEntries(tried.map(([name, what]) => [name, { type: "string", value: what }])) } };
};`;
  const p = await Program.runLegacy(t, manifest({ config: null }), attempts);
  const main = (name: string) => p.path("media/volumes/main", name);
  mkdirSync(p.path("outside/kept"), { recursive: true });
  writeFileSync(p.path("outside/secret"), "not yours");
  writeFileSync(p.path("media/secret"), "not yours");
  mkdirSync(main("a"));
  mkdirSync(p.path("media/assets/compat"));
  writeFileSync(main("own"), "yours");
  symlinkSync(p.path("outside/secret"), main("absolute"));
  symlinkSync("../../secret", main("link"));
  symlinkSync(p.path("outside"), main("folder"));
  symlinkSync("a/../../..", main("up"));
  symlinkSync("a/../own", main("inner"));
  execFileSync("mkfifo", [main("pipe")]); // which nobody writes to: a read must not wait for that
  await p.call("init", { eventId: "e1", kind: "install" });
  const { result } = await p.execute("/actions/properties/run", { input: {} }, "e2");
  const seen = new Map<string, string>(result.value.map((one: any) => [one.name, one.value]));
  for (const [name, what] of seen) {
    if (!["inner", "own", "removed"].includes(name)) assert.match(what, /^(EscapeError|Error)$/, name);
  }
  assert.deepEqual([seen.get("inner"), seen.get("own")], ['did "yours"', 'did "yours"']);
  assert.equal(readFileSync(p.path("outside/secret"), "utf8"), "not yours");
  assert.equal(readFileSync(p.path("media/secret"), "utf8"), "not yours");
  assert.equal(existsSync(p.path("outside/kept")), true);
  assert.equal(existsSync(main("link")), false, "a link itself can be removed");
});

test("a package has values of another one's configuration, and asks for another where that does not suit it", { timeout: 60_000 }, async (t) => {
  const wants = `
export async function getConfig() { return { result: { spec: {
  user: { type: "pointer", name: "User", subtype: "package", target: "config", "package-id": "disk", selector: "$.users[0].name", multi: false },
  all: { type: "pointer", name: "All", subtype: "package", target: "config", "package-id": "disk", selector: "$.users[*].name", multi: true },
  gone: { type: "pointer", name: "Gone", subtype: "package", target: "config", "package-id": "mail", selector: "$.x", multi: false },
} } }; }
export async function setConfig(effects, config) {
  await effects.writeJsonFile({ volumeId: "main", path: "config.json", toWrite: config });
  return { result: { signal: "SIGTERM", "depends-on": {} } };
}
export const dependencies = { disk: {
  check: async (effects, config) => (config.shared ? { result: null } : { error: "It must be shared" }),
  autoConfigure: async (effects, config) => ({ result: { ...config, shared: true, deep: { ...config.deep, b: 3 } } }),
} };`;
  const disk = { version: "^2.0.0", requirement: { type: "required" }, config: { check: script, "auto-configure": script } };
  const p = await Program.runLegacy(t, manifest({ "health-checks": {}, properties: null, actions: {}, dependencies: { disk, mail: { version: "*", requirement: { type: "opt-in", how: "x" } } } }), wants);
  const { host } = p;
  let shared = false;
  host.answers.set("get-status", ({ packageId }) => json(packageId === "disk" ? { desired: { main: "running" } } : null));
  host.answers.set("mount", ({ location }) => {
    mkdirSync(String(location), { recursive: true });
    writeFileSync(`${String(location)}/config.json`, JSON.stringify({ users: [{ name: "ada" }, { name: "bob" }], shared, deep: { a: 1, b: 2 } }));
    return {};
  });
  await p.call("init", { eventId: "e1", kind: "" });
  const task = (await host.seen("action.create-task", 2)).map(({ params }) => params).find(({ packageId }) => packageId === "disk")!;
  const { accept, set } = task["input"] as { accept: unknown; set: unknown };
  assert.deepEqual([task["actionId"], task["replayId"], task["reason"], accept, set], ["config", "disk/config", "It must be shared", [{ shared: true, deep: { b: 3 } }], { shared: true, deep: { b: 3 } }]);

  shared = true;
  const { location } = (await host.seen("mount"))[0]!.params;
  writeFileSync(`${String(location)}/config.json`, JSON.stringify({ users: [{ name: "ada" }, { name: "bob" }], shared }));
  await p.execute("/actions/config/run", { input: {} }, "e2");
  assert.deepEqual(JSON.parse(readFileSync(p.path("media/volumes/main/config.json"), "utf8")), { user: "ada", all: ["ada", "bob"], gone: null });
  assert.deepEqual((await host.seen("action.clear-tasks", 2)).map(({ params: { only } }) => only), [["needs-config"], ["disk/config"]]);
});

test("main of StartOS 0.3 may be a function, which runs commands that end with it", { timeout: 60_000 }, async (t) => {
  const runs = `
export async function main(effects) {
  const said = await effects.runCommand({ command: "sh", args: ["-c", "echo from the image"] });
  await effects.writeFile({ volumeId: "main", path: "said", toWrite: said.result });
  const failed = await effects.runCommand({ command: "sh", args: ["-c", "echo no >&2; exit 3"] });
  await effects.writeJsonFile({ volumeId: "main", path: "failed", toWrite: failed });
  const daemon = effects.runDaemon({ command: "sh", args: ["-c", "echo up > data/state; trap 'echo down > data/state; exit 0' TERM; sleep 1000 & wait"] });
  return daemon.wait();
}
export const health = { async up(effects) { return (await effects.exists({ volumeId: "main", path: "state" })) ? { result: null } : { "error-code": [60, "not yet"] }; } };`;
  const change = { main: script, containers: { main: { image: "main", mounts: { main: "/data" } } }, config: null, properties: null, actions: {}, "health-checks": { up: { name: "Up", ...script } } };
  const p = await Program.runLegacy(t, manifest(change), runs);
  await p.call("init", { eventId: "e1", kind: "install" });
  await p.call("start");
  for (let n = 1; (await p.host.seen("set-health", n)).at(-1)!.params["result"] !== "success"; n++);
  assert.equal(readFileSync(p.path("media/volumes/main/said"), "utf8"), "from the image\n");
  assert.deepEqual(JSON.parse(readFileSync(p.path("media/volumes/main/failed"), "utf8")), { "error-code": [3, "no\n"] });
  assert.equal(readFileSync(p.path("media/volumes/main/state"), "utf8"), "up\n");
  await p.call("stop");
  assert.equal(readFileSync(p.path("media/volumes/main/state"), "utf8"), "down\n");
});

test("a configuration that the image compat reads and writes is a file of the service", { timeout: 60_000 }, async (t) => {
  const inFiles = (...args: string[]) => ({ ...compat(...args), mounts: { main: "/root", compat: "/mnt/assets" } });
  const change = {
    config: { get: inFiles("config", "get", "/root", "/mnt/assets/config_spec.yaml"), set: inFiles("config", "set", "notes", "/root", "/mnt/assets/config_rules.yaml") },
    properties: inFiles("properties", "/root", "Wait a moment"), "health-checks": {}, actions: {},
  };
  const p = await Program.runLegacy(t, manifest(change), "");
  mkdirSync(p.path("media/assets/compat"));
  writeFileSync(p.path("media/assets/compat/config_spec.yaml"), "name:\n  type: string\n  name: Name\n  nullable: false\n  default: Ada\n");
  await p.call("init", { eventId: "e1", kind: "install" });
  assert.deepEqual((await p.execute("/actions/config/getInput", { prefill: null }, "e2")).value, { name: "Ada" });
  await p.execute("/actions/config/run", { input: { name: "Grace" } }, "e2");
  assert.equal(readFileSync(p.path("media/volumes/main/start9/config.yaml"), "utf8"), "name: Grace\n");
  assert.equal((await p.execute("/actions/properties/run", { input: {} }, "e2")).result.value[0].value, "Wait a moment");
  writeFileSync(p.path("media/volumes/main/start9/stats.yaml"), "version: 2\ndata:\n  User:\n    type: string\n    value: ada\n");
  assert.equal((await p.execute("/actions/properties/run", { input: {} }, "e2")).result.value[0].value, "ada");
});
