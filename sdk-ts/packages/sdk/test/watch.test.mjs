// What may change: reads, and what runs again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Daemons, FullProgressTracker, setupInit, Watchable } from "@hearthos/sdk";

function world(value) {
  let waiting = [];
  const hooks = [];
  const effects = { isInContext: true, onLeaveContext: (hook) => void hooks.push(hook), child: () => effects };
  return {
    effects,
    source: async (callback) => (callback && waiting.push(callback), value),
    set: (next) => {
      value = next;
      for (const callback of waiting.splice(0)) callback();
    },
    leave: () => ((effects.isInContext = false), hooks.forEach((hook) => hook())),
  };
}
const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

test("const runs again once, when what is looked at is another", async () => {
  const { effects, source, set, leave } = world({ a: 1, b: 1 });
  let again = 0;
  effects.constRetry = () => again++;
  const watched = new Watchable(effects, source, { map: ({ a }) => a });
  assert.equal(await watched.const(), 1);
  set({ a: 1, b: 2 });
  await settled();
  assert.equal(again, 0);
  set({ a: 2, b: 2 });
  await settled();
  set({ a: 3, b: 2 });
  await settled();
  assert.equal(again, 1);
  leave();
});

test("after the end of its context nothing runs again", async () => {
  const { effects, source, set, leave } = world(1);
  effects.constRetry = () => assert.fail("it ran again");
  await new Watchable(effects, source).const();
  leave();
  set(2);
  await settled();
});

test("watch gives each value that is another, and waitFor the one that is wanted", async () => {
  const { effects, source, set, leave } = world(1);
  const values = new Watchable(effects, source).watch();
  assert.equal((await values.next()).value, 1);
  const next = values.next();
  await settled();
  set(1);
  await settled();
  set(2);
  assert.equal((await next).value, 2);
  const wanted = new Watchable(effects, source).waitFor((value) => value > 4);
  await settled();
  set(3);
  await settled();
  set(5);
  assert.equal(await wanted, 5);
  const last = values.next();
  last.catch(() => {});
  await settled();
  leave();
  // It may have seen 5 before.
  await last.then(() => assert.rejects(values.next(), { name: "AbortedError" }), (err) => assert.equal(err.name, "AbortedError"));
});

test("a step of the init is repeated alone, one repetition after another", async () => {
  const { effects, source, set, leave } = world(1);
  effects.setInitProgress = async () => null;
  const children = new Map();
  effects.child = (name) => {
    const child = { ...effects, onLeaveContext: effects.onLeaveContext, child: effects.child };
    children.set(name, child);
    return child;
  };
  const ran = [];
  await setupInit(
    async (inner, kind) => void ran.push(`first ${kind} ${await new Watchable(inner, source).const()}`),
    async (_inner, kind) => void ran.push(`second ${kind}`),
  )({ effects, kind: "install" });
  set(2);
  await settled();
  assert.deepEqual(ran, ["first install 1", "second install", "first null 2"]);
  leave();
});

test("the host gets the newest progress, and of phases what they count", async () => {
  const sent = [];
  const progress = new FullProgressTracker(async (state) => void sent.push(structuredClone(state)));
  const copy = progress.addPhase("Copying", 3);
  const rest = progress.addPhase("Rest", 1);
  copy.setTotal(10);
  copy.setDone(5);
  await progress.sync();
  assert.deepEqual(sent.at(-1), { overall: { done: 1, total: 4, units: null }, phases: [{ name: "Copying", progress: { done: 5, total: 10, units: null } }, { name: "Rest", progress: null }] });
  copy.complete();
  rest.complete();
  await progress.sync();
  assert.equal(sent.at(-1).overall, true);
  assert.ok(sent.length <= 3, "what changes in one go is sent as one");
});

test("a part that fails its check keeps those waiting that require it", async () => {
  const reports = [];
  const effects = { isInContext: true, onLeaveContext: () => {}, setHealth: async (health) => (reports.push(health), null) };
  let well = false;
  const trigger = async function* () {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      yield;
    }
  };
  const ready = (display, fn) => ({ display, fn, trigger, gracePeriod: 0 });
  const daemons = await Daemons.of({ effects })
    .addHealthCheck("db", { ready: ready("Database", () => (well ? { result: "success", message: "up" } : { result: "failure", message: null })), requires: [] })
    .addHealthCheck("app", { ready: ready("App", () => ({ result: "success", message: null })), requires: ["db"] })
    .build();
  const seen = async (id, result) => {
    while (reports.findLast((one) => one.id === id)?.result !== result) await new Promise((resolve) => setTimeout(resolve, 2));
    return reports.findLast((one) => one.id === id);
  };
  assert.deepEqual(await seen("db", "failure"), { id: "db", name: "Database", result: "failure", message: "" });
  assert.equal((await seen("app", "waiting")).message, "Waiting for Database");
  well = true;
  await seen("app", "success");
  well = false;
  await seen("app", "waiting");
  const count = reports.length;
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(reports.length, count, "what does not change is not told again");
  await daemons.term();
});

test("a root that a part which runs on shares with one that begins is not taken away", async () => {
  const effects = { isInContext: true, onLeaveContext: () => {}, setHealth: async () => null };
  effects.child = () => effects;
  const gone = [];
  let turn = 0;
  const root = (name) => ({ imageId: "main", name, mounts: null, identity: Symbol(name), hold: () => async () => {}, detach: () => {}, destroy: async () => void gone.push(name) });
  const exec = { fn: async (_root, abort) => (await new Promise((resolve) => abort.addEventListener("abort", resolve)), null) };
  const ready = { display: null, fn: () => ({ result: "success", message: null }) };
  const { DaemonsReconciler } = await import("@hearthos/sdk");
  const reconciler = new DaemonsReconciler(effects, () => {
    const shared = root("same");
    const daemons = Daemons.of({ effects }).addDaemon("kept", { subcontainer: shared, exec, ready, requires: [] });
    return turn++ === 0 ? daemons : daemons.addDaemon("added", { subcontainer: shared, exec, ready, requires: [] });
  });
  const running = await reconciler.build();
  reconciler.scheduleRerun();
  await settled();
  assert.deepEqual(gone, []);
  await running.term();
  assert.deepEqual(gone, ["same", "same"]);
});
