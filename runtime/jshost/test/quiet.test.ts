// Code that makes data quiet and does not come back holds up nobody.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Effects } from "../src/effects.js";
import { Quiet } from "../src/quiet.js";

const effects = {} as Effects;

/** Code of which the test says when it ends. */
function code() {
  const said: string[] = [];
  const ends: { freeze?: () => void; thaw?: () => void } = {};
  const step = (name: "freeze" | "thaw") => () =>
    new Promise<unknown>((resolve) => {
      said.push(name);
      ends[name] = () => resolve({ apart: true });
    });
  return { said, ends, hooks: { freeze: step("freeze"), thaw: async () => void said.push("thaw") }, hanging: { freeze: step("freeze"), thaw: step("thaw") } };
}

test("a freeze that does not return is given up when somebody wants to thaw", { timeout: 30_000 }, async () => {
  const quiet = new Quiet(10);
  const { said, ends, hooks } = code();
  const frozen = quiet.freeze(hooks, effects, 1000);
  const refused = assert.rejects(frozen, /did not end/);
  assert.deepEqual(await quiet.thaw(hooks, effects), { held: false }, "data that were not frozen yet are not quiet");
  await refused;
  assert.deepEqual(said, ["freeze", "thaw"]);
  ends.freeze!(); // it comes back after all, and what it froze is thawed
  await new Promise(setImmediate);
  await quiet.end("main is ended"); // behind that thaw
  assert.deepEqual(said, ["freeze", "thaw", "thaw"]);
});

test("a freeze that does not return is given up when its time is up, and does not keep main from its end", { timeout: 30_000 }, async () => {
  const quiet = new Quiet(10);
  const { said, hooks } = code();
  await assert.rejects(quiet.freeze(hooks, effects, 0.01), /did not end/);
  await quiet.end("main is ended");
  assert.deepEqual(said, ["freeze", "thaw"]);
});

test("a thaw that does not return is told, and holds up nothing else", { timeout: 30_000 }, async () => {
  const quiet = new Quiet(10, 10);
  const { ends, hooks, hanging } = code();
  const frozen = quiet.freeze(hanging, effects, 1000);
  await new Promise(setImmediate);
  ends.freeze!();
  assert.deepEqual(await frozen, { apart: true });
  await assert.rejects(quiet.thaw(hanging, effects), /did not end/);
  assert.deepEqual(await quiet.thaw(hooks, effects), { held: false });
});
