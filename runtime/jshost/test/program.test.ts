import assert from "node:assert/strict";
import { existsSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { describe, test, type TestContext } from "node:test";
import type { IdleResponse } from "@hearthos/abi/hearth/jshost/v1/jshost_pb";
import { Reason } from "../src/fault.js";
import { refusalOf } from "../src/status.js";
import { json } from "./host.js";
import { Program } from "./program.js";

const limit = { timeout: 30_000 };

async function probe(t: TestContext): Promise<Program> {
  const p = await Program.run(t, "probe");
  let ip = "10.0.3.7";
  p.host.answers.set("get-container-ip", () => ({ value: ip }));
  p.host.answers.set("moved", () => ((ip = "10.0.3.8"), {}));
  p.host.answers.set("get-host-info", () => ({}));
  await p.call("init", { eventId: "e1", kind: "install" });
  return p;
}

async function effects(p: Program, calls: { effect: string; params?: unknown }[]): Promise<any[]> {
  writeFileSync(p.path("media/volumes/main/calls.json"), JSON.stringify(calls));
  return JSON.parse((await p.execute("/actions/call/run", { input: null })).message);
}

describe("the program", { concurrency: 3 }, () => {
  test("a value that main read and that changes restarts the service once", limit, async (t) => {
    const p = await probe(t);
    await p.call("start");
    await p.host.seen("set-health", 2);
    p.host.change("get-container-ip");
    await p.host.seen("get-container-ip", 2);
    await p.host.seen("await", 3); // one for init's host, two for the address: an equal value is watched further
    assert.equal(p.host.names().includes("restart"), false, "a change to an equal value is none");
    p.host.answers.get("moved")!({});
    p.host.change("get-container-ip");
    await p.host.seen("restart");
    await p.call("stop");
    await p.call("start");
    await p.printed(/main sees 10\.0\.3\.8/);
    assert.equal(p.host.names().filter((n) => n === "restart").length, 1);
  });

  test("a value that init read and that changes runs only its handler again", limit, async (t) => {
    const p = await probe(t);
    const exported = p.host.names().filter((n) => n === "action.export").length;
    p.host.answers.set("get-host-info", () => json({ bindings: {}, bindingRanges: {} }));
    p.host.change("get-host-info");
    await p.host.seen("get-host-info", 3);
    assert.equal(p.host.names().filter((n) => n === "action.export").length, exported);
    assert.equal(p.host.names().includes("restart"), false);
  });

  test("code that does nothing but wait tells what for, and anything else that it is busy", limit, async (t) => {
    const p = await probe(t);
    const idle = async () => (await p.call("idle")) as IdleResponse;
    const quiet = (r: IdleResponse) => Number(r.quiet!.seconds) * 1000 + r.quiet!.nanos / 1e6;
    await p.host.seen("await");
    const rested = await idle();
    assert.equal(rested.busy, "");
    assert.deepEqual(rested.waits.map((w) => [w.effect, w.etag !== ""]), [["get-host-info", true]]);
    assert.ok(quiet(await idle()) >= quiet(rested), "being asked whether it is idle is no activity");

    await p.call("start");
    assert.notEqual((await idle()).busy, "");
    await p.call("stop");
    let stopped = await idle();
    while (stopped.busy === "it keeps Timeout") stopped = await idle(); // the SDK's checks end at their next turn
    assert.equal(stopped.busy, "");
    assert.deepEqual(stopped.waits.map((w) => w.effect), ["get-host-info"], "what main waited for ended with it");

    // A handler of init that runs again may watch files: nobody can tell its watches from those that main left.
    p.host.answers.set("get-host-info", () => json({ bindings: {}, bindingRanges: {} }));
    p.host.change("get-host-info");
    await p.host.seen("get-host-info", 3);
    while ((await idle()).busy === "") await p.host.seen("get-host-info", 3);
    assert.match((await idle()).busy, /files|call|Immediate/);
    await p.call("start");
    await p.call("stop");
    assert.match((await idle()).busy, /files|Timeout/);
  });

  test("what keeps code awake beside what it waits for is told", limit, async (t) => {
    const p = await probe(t);
    const idle = async () => (await p.call("idle")) as IdleResponse;
    await p.execute("/actions/hold/run", { input: null });
    assert.match((await idle()).busy, /Timeout/);
    await p.execute("/actions/release/run", { input: null });
    assert.match((await idle()).busy, /files/);
    await p.execute("/actions/release/run", { input: null });
    assert.equal((await idle()).busy, "");
  });

  test("calls wait while the daemon is away and watches outlive it", limit, async (t) => {
    const p = await probe(t);
    await p.call("start");
    await p.host.seen("await", 2);
    await p.host.close();
    const waiting = effects(p, [{ effect: "getDataVersion" }, { effect: "setHealth", params: { id: "x", name: "X", result: "success", message: null } }]);
    await p.printed(/calling getDataVersion/);
    p.host.answers.set("get-data-version", () => ({ value: "1.0.0:0" }));
    await p.host.open();
    assert.deepEqual(await waiting, [{ result: "1.0.0:0" }, { result: null }]);
    await p.host.seen("await", 4);
    assert.equal(p.host.names().includes("restart"), false);
    p.host.answers.get("moved")!({});
    p.host.change("get-container-ip");
    await p.host.seen("restart");
  });

  test("a call that was under way when the daemon died is sent again", limit, async (t) => {
    const p = await probe(t);
    let asked = 0;
    p.host.answers.set("get-os-ip", () => (asked++ === 0 ? new Promise<object>(() => {}) : { value: "10.0.3.1" }));
    p.host.answers.set("action.run", () => new Promise<object>(() => {}));
    const first = effects(p, [{ effect: "getOsIp" }]);
    await p.host.seen("get-os-ip");
    await p.host.close();
    await p.host.open();
    assert.deepEqual(await first, [{ result: "10.0.3.1" }]);
    // Running an action twice is not the same as once.
    const run = effects(p, [{ effect: "action.run", params: { packageId: "other", actionId: "a", input: {} } }]);
    await p.host.seen("action.run");
    await p.host.close();
    await p.host.open();
    assert.match((await run)[0].error, /@ action\.run$/);
    assert.equal(p.host.names().filter((n) => n === "action.run").length, 1);
  });

  test("wrong parameters are refused before they leave", limit, async (t) => {
    const p = await probe(t);
    const [port, text, nothing, extra] = await effects(p, [
      { effect: "bind", params: { id: "ui", internalPort: "80", preferredExternalPort: 80 } },
      { effect: "subcontainer.destroyFs", params: { guid: 7 } },
      { effect: "shutdown", params: [] },
      { effect: "setHealth", params: { id: "a", name: "A", result: "success", message: null, eventId: "e", later: {} } },
    ]);
    assert.match(port.error, /"internalPort" must be a whole number/);
    assert.match(text.error, /"guid" must be a text/);
    assert.match(nothing.error, /no object/);
    assert.deepEqual(extra, { result: null });
  });

  test("errors of package code carry its message and leave the stack in the log", limit, async (t) => {
    const p = await probe(t);
    const err = await p.execute("/actions/fail/run", { input: null }).catch((e: unknown) => e);
    const refusal = refusalOf(err)!;
    assert.equal(Reason[refusal.fault!.reason], "PACKAGE_CODE_FAILED");
    assert.equal(refusal.message, "the disk of the package is sad");
    assert.match(p.log, /\/actions\/fail\/run failed: Error: the disk of the package is sad\n\s+at \S+ \(test\/packages\/probe\/index\.ts:\d+:\d+\)/, "by the place in the source");
    assert.equal(await p.execute("/actions/stray/run", { input: null }), null);
    await p.printed(/nobody waits for this/);
    await p.call("start");
  });

  test("it closes a pipe when its socket answers, and leaves nothing of that to what it starts", limit, async (t) => {
    const p = await Program.run(t, "probe");
    await p.ready;
    assert.equal(statSync(p.path("rpc/jshost.sock")).mode & 0o777, 0o600);
    assert.equal(existsSync(`/proc/${p.pid}/fd/3`) && readlinkSync(`/proc/${p.pid}/fd/3`).startsWith("pipe:"), false);
  });

  test("it loads the package before its init is asked for", limit, async (t) => {
    const p = await Program.run(t, "probe", "console.log('loaded');");
    await p.printed(/^loaded$/m);
    await p.call("init", { eventId: "e", kind: "" });
    await p.call("start");
    assert.equal(p.log.match(/^loaded$/gm)!.length, 1);
  });

  test("an init that failed can be tried again", limit, async (t) => {
    const broken = "throw new Error('half a file');";
    const p = await Program.run(t, "probe", broken);
    const code = readFileSync(p.path("package/index.js"), "utf8").slice(broken.length);
    const err = await p.call("init", { eventId: "e", kind: "" }).catch((e: unknown) => e);
    assert.match(refusalOf(err)!.message, /half a file/);
    writeFileSync(p.path("package/index.js"), code);
    await p.call("init", { eventId: "e", kind: "" });
    await p.call("start");
  });

  test("an exit before any init ends the program, and so does a signal while main runs", limit, async (t) => {
    const unborn = await Program.run(t, "probe");
    await unborn.call("exit", { eventId: "e", target: "" });
    assert.equal(await unborn.ended, 0);
    const p = await probe(t);
    await p.call("start");
    p.kill("SIGTERM");
    assert.equal(await p.ended, 0);
  });
});
