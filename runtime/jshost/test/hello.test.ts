import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Reason } from "../src/fault.js";
import { refusalOf } from "../src/status.js";
import { Program } from "./program.js";

test("the sample package lives a whole life", { timeout: 30_000 }, async (t) => {
  const p = await Program.run(t, "hello-hearth");
  const { host } = p;

  await p.call("init", { eventId: "e1", kind: "install" });
  const inOrder = ["get-data-version", "set-data-version", "bind", "export-service-interface", "clear-bindings",
    "clear-service-interfaces", "set-dependencies", "action.export", "action.clear", "action.create-task"];
  assert.deepEqual(host.names().filter((n) => n !== "set-init-progress"), inOrder);
  assert.deepEqual((await host.seen("set-data-version"))[0]!.params, { version: "1.0.0:0" });
  assert.equal((await host.seen("bind"))[0]!.params["internalPort"], 80);
  assert.equal((await host.seen("action.create-task"))[0]!.params["severity"], "important");
  assert.equal((await host.seen("set-init-progress")).at(-1)!.params["progress"] !== undefined, true);
  await p.call("init", { eventId: "e2", kind: "install" });
  assert.equal(host.names().filter((n) => n === "bind").length, 1, "a second init does nothing");

  await p.call("start");
  await p.call("start");
  await host.seen("subcontainer.create-fs");
  const health = (await host.seen("set-health", 2)).map((c) => c.params);
  assert.equal(health[0]!["id"], "web");
  assert.equal(host.names().filter((n) => n === "subcontainer.create-fs").length, 1, "a second start does nothing");
  assert.match(readFileSync(p.path("media/volumes/main/www/index.html"), "utf8"), /Hello from Hearth/);

  const form = await p.execute("/actions/set-greeting/getInput", { prefill: null }, "e3");
  assert.equal(form.eventId, "e3");
  assert.deepEqual(form.value, { greeting: "Hello from Hearth", color: "#b5442c" });
  assert.equal(form.spec.greeting.type, "text");

  const input = { greeting: "Good <morning>", color: "#224466" };
  const result = await p.execute("/actions/set-greeting/run", { input }, "e3");
  assert.equal(result.result.value, "Good <morning>");
  await host.seen("restart");

  await p.call("stop");
  await host.seen("subcontainer.destroy-fs");
  await p.call("stop");
  await p.call("start");
  const page = readFileSync(p.path("media/volumes/main/www/index.html"), "utf8");
  assert.match(page, /Good &#60;morning&#62;/);
  assert.match(page, /#224466/);
  assert.equal(host.names().filter((n) => n === "restart").length, 1, "one restart for one change");

  await p.call("exit", { eventId: "e4", target: "" });
  assert.equal(await p.ended, 0);
  assert.deepEqual((await host.seen("set-data-version", 2))[1]!.params, {}, "an uninstall deletes the data version");
  assert.equal(existsSync(p.path("rpc/jshost.sock")), false);
});

// The SDK replaces a file by emptying and filling it; who reads in between must not be blind from then on.
test("a change of a file that is seen half-way restarts the service all the same", { timeout: 30_000 }, async (t) => {
  const p = await Program.run(t, "hello-hearth");
  await p.call("init", { eventId: "e1", kind: "install" });
  await p.call("start");
  const file = p.path("media/volumes/main/settings.json");
  writeFileSync(file, JSON.stringify({ greeting: "Round 0", color: "#224466" }));
  for (let round = 1; round <= 3; round++) {
    await p.call("stop");
    await p.call("start");
    writeFileSync(file, "");
    await setTimeout(round * 30); // as long as a busy machine may take
    writeFileSync(file, JSON.stringify({ greeting: `Round ${round}`, color: "#224466" }));
    await p.host.seen("restart", round);
  }
});

test("what a package refuses is told by its reason", { timeout: 30_000 }, async (t) => {
  const p = await Program.run(t, "hello-hearth");
  p.host.answers.set("get-data-version", () => ({ value: "1.0.0:0" }));
  const refused = async (call: Promise<unknown>): Promise<{ reason: string | undefined; message: string; fields: string[] }> => {
    const err = await call.then(() => assert.fail("was not refused"), (e: unknown) => e);
    const { fault, message } = refusalOf(err) ?? assert.fail(String(err));
    return { reason: fault && Reason[fault.reason], message, fields: (fault?.violations ?? []).map((v) => v.field) };
  };

  assert.equal((await refused(p.call("start"))).reason, "SERVICE_NOT_READY");
  assert.equal((await refused(p.execute("/actions/set-greeting/getInput", null))).reason, "SERVICE_NOT_READY");
  await p.call("init", { eventId: "e1", kind: "" });
  assert.equal((await refused(p.execute("/actions/absent/run", null))).reason, "ACTION_NOT_FOUND");
  assert.equal((await refused(p.execute("/nonsense", null))).reason, "INVALID_ARGUMENT");
  assert.equal((await refused(p.call("exit", { eventId: "e", target: "what?" }))).reason, "INVALID_ARGUMENT");

  const early = await refused(p.execute("/actions/set-greeting/run", { input: {} }, "unknown event"));
  assert.equal(early.reason, "PACKAGE_CODE_FAILED");
  await p.execute("/actions/set-greeting/getInput", { prefill: null }, "e2");
  const bad = await refused(p.execute("/actions/set-greeting/run", { input: { greeting: 5, color: "#000000" } }, "e2"));
  assert.equal(bad.reason, "ACTION_INPUT");
  assert.deepEqual(bad.fields, ["greeting"]);

  const unreachable = await refused(p.call("exit", { eventId: "e", target: "0.5.0:0" }));
  assert.equal(unreachable.reason, "PACKAGE_CODE_FAILED");
  await p.call("start");
  await p.call("exit", { eventId: "e", target: "1.0.0:0" });
  assert.equal(await p.ended, 0);
});

// The SDK starts a daemon when the host has taken note that it is "starting", and does not look whether it was stopped
// meanwhile. The host may be away just then, for as long as a restart of it takes.
test("a main that is stopped while its reports wait for the host launches nothing afterwards", { timeout: 30_000 }, async (t) => {
  const p = await Program.run(t, "hello-hearth");
  const { host } = p;
  await p.call("init", { eventId: "e1", kind: "install" });
  for (const held of ["waiting", "starting"]) {
    const before = host.names().filter((n) => n === "set-health").length;
    let release = () => {};
    const answered = new Promise<void>((resolve) => (release = resolve));
    host.answers.set("set-health", async ({ result }) => (result === held && (await answered), {}));
    const started = p.call("start").catch(() => undefined);
    for (let n = before + 1; (await host.seen("set-health", n)).at(-1)!.params["result"] !== held; n++);
    const stopped = p.call("stop");
    await Promise.all([stopped, started]);
    release();
    host.answers.delete("set-health");
  }
  assert.equal(count(p.log, /Launching web/g), 0, "stopped before it launched");
  for (let round = 1; round <= 3; round++) {
    await p.call("start");
    while (count(p.log, /Launching web/g) < round) await p.printed(new RegExp(`(Launching web[^]*){${round}}`));
    await p.call("stop");
    assert.equal(count(p.log, /Launching web/g), round, "only the main that runs launches");
  }
  assert.doesNotMatch(p.log, /set-health/, "reports that came too late are nobody's concern");
});

// Nobody's data stay frozen: neither after the host went away, nor when main is ended.
test("a pattern that goes back too often in some text comes to its end all the same", { timeout: 30_000 }, async (t) => {
  const p = await Program.run(t, "probe");
  await p.call("init", { eventId: "e1", kind: "install" });
  const fill = async (words: string) => {
    await p.execute("/actions/words/getInput", { prefill: null });
    return p.execute("/actions/words/run", { input: { words } });
  };
  await fill("as they are meant");
  await assert.rejects(fill(`${"a".repeat(60)}!`), /these are no words/);
});

test("data are frozen while main runs, until somebody thaws them or the time is up", { timeout: 30_000 }, async (t) => {
  const p = await Program.run(t, "probe");
  await p.call("init", { eventId: "e1", kind: "install" });
  const freeze = (seconds: unknown = 1000) => p.execute("/backup/freeze", { seconds });
  await assert.rejects(freeze(), /does not run/);
  await p.call("start");
  await assert.rejects(freeze("soon"), /must be a number/);
  assert.deepEqual(await p.execute("/backup/thaw", null), { held: false }, "a thaw may come at any time");
  await p.printed(/^thawed$/m);

  assert.deepEqual(await freeze(), { apart: true }, "the package can make its backup of a snapshot");
  await p.printed(/^frozen$/m);
  assert.deepEqual(await p.execute("/backup/thaw", null), { held: true });
  await p.execute("/backup/create", { volumes: "/media/startos/moment" });
  await p.printed(/^a backup of \/media\/startos\/moment$/m);
  await p.printed(/(^thawed$[^]*){2}/m);

  await freeze(0.01);
  await p.printed(/nobody thawed them in time/);
  await p.printed(/(^thawed$[^]*){3}/m);
  assert.deepEqual(await p.execute("/backup/thaw", null), { held: false });

  await freeze();
  await p.call("stop");
  await p.printed(/main is ended/);
  await p.printed(/(^thawed$[^]*){5}/m);

  writeFileSync(p.path("media/volumes/main/busy"), "");
  await p.call("start");
  await assert.rejects(freeze(), /the data are busy/);
  await p.call("stop");
  await p.printed(/(^thawed$[^]*){6}/m); // what failed half-way is thawed, too
});

function count(text: string, what: RegExp): number {
  return text.match(what)?.length ?? 0;
}
