import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Context } from "../src/context.js";
import { createEffects, type Effects } from "../src/effects.js";
import { Host } from "../src/host.js";
import { FakeHost, json } from "./host.js";

const limit = { timeout: 10_000 };

async function setup(t: TestContext): Promise<{ fake: FakeHost; effects: any; context: Context; host: Host }> {
  const dir = mkdtempSync(join(tmpdir(), "jshost-"));
  const fake = await new FakeHost(join(dir, "effects.sock")).open();
  const host = new Host(join(dir, "effects.sock"));
  t.after(async () => {
    context.leave();
    host.close();
    await fake.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const context = new Context();
  return { fake, effects: createEffects(host, context, "e1"), context, host };
}

test("effects are plain and can be spread", limit, async (t) => {
  const { effects, fake } = await setup(t);
  const copy = { ...effects, bind: async () => "mine" };
  assert.equal(await copy.bind(), "mine");
  assert.equal(await copy.getDataVersion(), null);
  assert.equal(Object.getPrototypeOf(effects), Object.prototype);
  assert.deepEqual([copy.eventId, copy.isInContext, copy.constRetry], ["e1", true, undefined]);
  assert.deepEqual(fake.names(), ["get-data-version"]);
});

test("a callback is called once, after the value changed, and not for calls without one", limit, async (t) => {
  const { effects, fake } = await setup(t);
  let called = 0;
  let resolve = () => {};
  const once = new Promise<void>((r) => (resolve = r));
  await effects.getStatus({});
  await effects.getStatus({ callback: () => (called++, resolve()) });
  assert.equal((await fake.seen("await")).length, 1);
  assert.equal(called, 0);
  fake.change("get-status");
  await once;
  fake.change("get-status");
  await effects.getOsIp();
  assert.equal(called, 1);
  assert.equal(fake.names().filter((n) => n === "await").length, 1);
});

test("a value that changed before the wait began is not missed", limit, async (t) => {
  const { effects, fake } = await setup(t);
  // The answer carries the etag of the old value, and the value changes before the program asks to wait.
  fake.answers.set("get-container-ip", () => (fake.change("get-container-ip"), { value: "10.0.3.2" }));
  const etag = fake.answers.get("get-container-ip")!;
  fake.answers.set("get-container-ip", (p) => ({ ...(etag(p) as object), etag: "1" }));
  await new Promise<void>((resolve) => void effects.getContainerIp({ callback: resolve }));
});

test("leaving a context ends its watches and hooks run once, children first", limit, async (t) => {
  const { effects, fake, context } = await setup(t);
  const order: string[] = [];
  const child = effects.child("a") as Effects;
  child.constRetry = () => order.push("retry");
  effects.onLeaveContext(() => order.push(`parent ${effects.isInContext}`));
  child.onLeaveContext(() => order.push(`child ${child.isInContext} ${child.constRetry}`));
  child.onLeaveContext(() => {
    throw new Error("a hook of the test that fails");
  });
  await (child as any).getHostInfo({ hostId: "ui", callback: () => order.push("callback") });
  await fake.seen("await");
  context.leave();
  context.leave();
  fake.change("get-host-info");
  assert.deepEqual(order, ["child false undefined", "parent false"]);
  assert.equal(effects.isInContext, false);
  // Calls still work; what they would watch has no one to tell.
  await effects.getHostInfo({ hostId: "ui", callback: () => order.push("late") });
  assert.equal(effects.child("b").isInContext, false);
  assert.equal(order.length, 2);
  assert.equal(fake.names().filter((n) => n === "await").length, 1);
});

test("a new child takes the place of the one of its name", limit, async (t) => {
  const { effects } = await setup(t);
  const first = effects.child("a");
  const other = effects.child("b");
  const second = effects.child("a");
  assert.deepEqual([first.isInContext, second.isInContext, other.isInContext], [false, true, true]);
});

test("effects without a context watch nothing", limit, async (t) => {
  const { fake, host } = await setup(t);
  const effects = createEffects(host, null, null) as any;
  await effects.getStatus({ callback: () => assert.fail("was called") });
  assert.equal(effects.isInContext, false);
  assert.deepEqual(fake.names(), ["get-status"]);
});

test("callbacks can be cleared", limit, async (t) => {
  const { effects, fake } = await setup(t);
  await effects.getStatus({ callback: () => assert.fail("was called") });
  await fake.seen("await");
  assert.equal(await effects.clearCallbacks({ except: [] }), null);
  fake.change("get-status");
  assert.equal(await effects.getOsIp(), null);
});

test("tasks of old SDKs say what they accept", limit, async (t) => {
  const { effects, fake } = await setup(t);
  const task = { replayId: "r", packageId: "p", actionId: "a" };
  await effects.action.createTask({ ...task, input: { kind: "partial", value: { a: 1 } } });
  await effects.action.createTask({ ...task, input: { kind: "partial", accept: [], set: { value: 1 } } });
  assert.deepEqual(fake.calls.map((c) => c.params["input"]), [
    { kind: "partial", accept: [{ a: 1 }], set: { a: 1 } },
    { kind: "partial", accept: [], set: { value: 1 } },
  ]);
});

test("of reports that wait only the newest is sent, in order", limit, async (t) => {
  const { effects, fake } = await setup(t);
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  fake.answers.set("set-health", async (p) => (p["message"] === "1" && (await held), {}));
  const report = (id: string, message: string) => effects.setHealth({ id, name: "x", result: "success", message });
  const all = ["1", "2", "3", "4"].map((m) => report("a", m));
  await report("b", "other");
  release();
  await Promise.all(all);
  assert.deepEqual(fake.calls.map((c) => c.params["message"]), ["1", "other", "4"]);
});

test("results are JSON values, and an empty one is null", limit, async (t) => {
  const { effects, fake } = await setup(t);
  fake.answers.set("get-installed-packages", () => json(["a", "b"]));
  assert.deepEqual(await effects.getInstalledPackages(), ["a", "b"]);
  assert.equal(await effects.getSystemSmtp({}), null);
  assert.equal(await effects.restart(), null);
});
