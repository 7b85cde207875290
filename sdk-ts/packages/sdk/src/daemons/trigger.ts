import type { HealthStatus } from "../wire.js";
import { delay } from "../values.js";

export interface TriggerInput {
  lastResult?: HealthStatus;
}
/** Says when a health check is made next: each step of the iterator is one check. */
export type Trigger = (getInput: () => TriggerInput) => AsyncIterator<unknown, unknown, never>;

/**
 * A check each so many milliseconds.
 * @example
 * const checks = health.cooldownTrigger(10)();
 * await checks.next(); // ten milliseconds later
 */
export function cooldownTrigger(timeMs: number): () => AsyncGenerator<undefined, never, unknown> {
  return async function* () {
    for (;;) {
      await delay(timeMs);
      yield undefined;
    }
  };
}

/**
 * A check after a time that the last result chooses.
 * @example
 * // Each five minutes, and each second while it is not well.
 * const trigger = health.statusTrigger(300_000, { failure: 1000, starting: 1000 });
 * assert.equal(typeof trigger(() => ({ lastResult: "failure" })).next, "function");
 */
export function statusTrigger(defaultMs: number, intervals: { [K in HealthStatus]?: number } = {}): Trigger {
  return async function* (getInput) {
    for (;;) {
      const { lastResult } = getInput();
      await delay((lastResult === undefined ? undefined : intervals[lastResult]) ?? defaultMs);
      yield undefined;
    }
  };
}

/**
 * Each second until all is well, then every half minute.
 * @example
 * const ready: health.Ready = { display: "Page", fn: () => ({ result: "success", message: null }), trigger: health.defaultTrigger };
 */
export const defaultTrigger: Trigger = statusTrigger(30_000, { starting: 1000, waiting: 1000, failure: 1000, loading: 1000 });
