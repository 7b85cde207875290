import type { HealthStatus } from "../wire.js";
import { delay } from "../values.js";

export interface TriggerInput {
  lastResult?: HealthStatus;
}
/** Says when a health check is made next: each step of the iterator is one check. */
export type Trigger = (getInput: () => TriggerInput) => AsyncIterator<unknown, unknown, never>;

/** A check each so many milliseconds. */
export function cooldownTrigger(timeMs: number): () => AsyncGenerator<undefined, never, unknown> {
  return async function* () {
    for (;;) {
      await delay(timeMs);
      yield undefined;
    }
  };
}

/** A check after a time that the last result chooses. */
export function statusTrigger(defaultMs: number, intervals: { [K in HealthStatus]?: number } = {}): Trigger {
  return async function* (getInput) {
    for (;;) {
      const { lastResult } = getInput();
      await delay((lastResult === undefined ? undefined : intervals[lastResult]) ?? defaultMs);
      yield undefined;
    }
  };
}

/** Each second until all is well, then every half minute. */
export const defaultTrigger: Trigger = statusTrigger(30_000, { starting: 1000, waiting: 1000, failure: 1000, loading: 1000 });
