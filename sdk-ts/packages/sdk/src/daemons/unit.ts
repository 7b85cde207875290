import type { Effects } from "../effects.js";
import { asError, deepEqual } from "../values.js";
import type { SetHealth } from "../wire.js";
import type { HealthCheckResult } from "./checks.js";
import type { Daemon } from "./daemon.js";
import { defaultTrigger, type Trigger } from "./trigger.js";

/** How it is known that something is ready, and how that is shown. */
export interface Ready {
  /** The name that people see; null shows nothing. */
  display: string | null;
  fn: () => Promise<HealthCheckResult> | HealthCheckResult;
  /** How long after the start a failure counts as starting, in milliseconds. */
  gracePeriod?: number;
  trigger?: Trigger;
}

const defaultGrace = 10_000;

/**
 * A daemon, a oneshot or a check by itself, with what it waits for.
 *
 *     waiting --all required are well--> starting --ready--> success <--> failure
 *        ^                                  |                   |
 *        +---- one of those is not well ----+-------------------+
 *
 * While it waits, its command does not run.
 */
export class Unit {
  health: HealthCheckResult = { result: "waiting", message: null };
  #running: AbortController | undefined;
  #change: Promise<void> = Promise.resolve();
  #ended = false;
  #sent: HealthCheckResult | undefined;
  #sending: Promise<void> = Promise.resolve();
  readonly #watchers = new Set<() => void>();
  readonly #unwatch: (() => void)[] = [];

  constructor(
    readonly id: string,
    readonly daemon: Daemon<any> | null,
    /** How it is ready; null for a oneshot, which is when it has succeeded. */
    readonly ready: Ready | null,
    readonly requires: readonly Unit[],
    readonly effects: Effects,
  ) {
    daemon?.onExit((success) => this.#exited(success));
  }

  get isReady(): boolean {
    return this.health.result === "success";
  }

  /** Calls back when the health changes, until the function given is called. */
  watch(fn: () => void): () => void {
    this.#watchers.add(fn);
    return () => this.#watchers.delete(fn);
  }

  /** Begins to look at what it waits for. */
  start(): void {
    for (const required of this.requires) this.#unwatch.push(required.watch(() => this.#look()));
    this.#look();
  }

  /** Waits until it is ready, or the signal. */
  async whenReady(signal: AbortSignal): Promise<void> {
    while (!this.isReady && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          stop();
          signal.removeEventListener("abort", done);
          resolve();
        };
        const stop = this.watch(done);
        signal.addEventListener("abort", done, { once: true });
      });
    }
  }

  /** Ends it for good. */
  async term(): Promise<void> {
    this.#ended = true;
    for (const stop of this.#unwatch.splice(0)) stop();
    this.#look();
    await this.#change;
    await this.daemon?.term();
    await this.#sending;
  }

  /** Tells, after its end, that it is no part of the service any more: what it said last would stand there for good. */
  async retire(): Promise<void> {
    const display = this.ready?.display;
    if (display == null || this.#sent === undefined) return;
    await this.effects.setHealth({ id: this.id, name: display, result: "disabled", message: null }).catch((err: unknown) => {
      if (this.effects.isInContext) console.error(`the end of ${this.id} could not be told: ${asError(err).message}`);
    });
  }

  // Runs when all that it requires is well, and only then. Starts and stops come one after another.
  #look(): void {
    const wanted = !this.#ended && this.requires.every(({ isReady }) => isReady);
    if (wanted === (this.#running !== undefined)) {
      if (!wanted && !this.#ended) this.#set(this.#waiting());
      return;
    }
    if (wanted) {
      const running = new AbortController();
      this.#running = running;
      this.#set({ result: "starting", message: null });
      this.#change = this.#change.then(() => (running.signal.aborted ? undefined : this.#begin(running.signal)));
    } else {
      this.#running?.abort();
      this.#running = undefined;
      if (!this.#ended) this.#set(this.#waiting());
      this.#change = this.#change.then(() => this.daemon?.stop());
    }
  }

  #waiting(): HealthCheckResult {
    const names = this.requires.filter(({ isReady }) => !isReady).map(({ ready, id }) => ready?.display ?? id);
    return { result: "waiting", message: names.length > 0 ? `Waiting for ${names.join(", ")}` : null };
  }

  async #begin(end: AbortSignal): Promise<void> {
    if (this.daemon?.oneshot && this.daemon.succeeded) return this.#set({ result: "success", message: null });
    await this.daemon?.start();
    const { ready } = this;
    if (ready) void this.#poll(ready, end).catch((err: unknown) => end.aborted || console.error(`the health check ${this.id} ended:`, err));
  }

  async #poll(ready: Ready, end: AbortSignal): Promise<void> {
    const began = Date.now();
    const trigger = (ready.trigger ?? defaultTrigger)(() => ({ lastResult: this.health.result }));
    const over = new Promise<"over">((resolve) => (end.aborted ? resolve("over") : end.addEventListener("abort", () => resolve("over"), { once: true })));
    let well = false;
    for (;;) {
      const next = await Promise.race([trigger.next(), over]);
      if (next === "over" || next.done || end.aborted) break;
      const found = await Promise.race([look(ready), over]);
      if (found === "over" || end.aborted) break;
      well ||= found.result === "success";
      const early = !well && found.result === "failure" && Date.now() - began < (ready.gracePeriod ?? defaultGrace);
      this.#set(early ? { result: "starting", message: found.message } : found);
    }
    void trigger.return?.();
  }

  #exited(success: boolean): void {
    if (this.ready === null) this.#set(success ? { result: "success", message: null } : { result: "failure", message: "It has not succeeded yet" });
  }

  #set(health: HealthCheckResult): void {
    const was = this.health;
    this.health = health;
    this.#report();
    if (was.result !== health.result) for (const fn of [...this.#watchers]) fn();
  }

  // Tells the host what it does not know yet, one report at a time and the newest only.
  #report(): void {
    const display = this.ready?.display;
    if (display == null || this.#ended) return;
    this.#sending = this.#sending.then(async () => {
      const { health } = this;
      if (this.#ended || deepEqual(this.#sent, health)) return;
      try {
        const message = health.result === "failure" || health.result === "loading" ? (health.message ?? "") : health.message;
        await this.effects.setHealth({ id: this.id, name: display, result: health.result, message } as SetHealth);
        this.#sent = health;
      } catch (err) {
        // The next look tries again. What comes too late, because the service ends, is no matter.
        if (this.effects.isInContext) console.error(`the health of ${this.id} could not be told: ${asError(err).message}`);
      }
    });
  }
}

async function look(ready: Ready): Promise<HealthCheckResult> {
  try {
    return await ready.fn();
  } catch (err) {
    return { result: "failure", message: asError(err).message };
  }
}
