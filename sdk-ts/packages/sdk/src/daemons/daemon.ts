import type { SubContainer } from "../subcontainer.js";
import { asError, delay } from "../values.js";
import { runToEnd, type Exec } from "./command.js";

const longestPause = 30_000;

/**
 * A command that is kept running: begun again when it ends, after a pause that grows by a second each time. A oneshot is
 * done once it has succeeded.
 */
export class Daemon<C extends SubContainer<any> | null = SubContainer<any> | null> {
  #end: AbortController | undefined;
  #loop: Promise<void> | undefined;
  #release: (() => Promise<void>) | undefined;
  readonly #onExit: ((success: boolean) => void)[] = [];
  /** Whether a oneshot has succeeded. */
  succeeded = false;

  constructor(
    readonly subcontainer: C,
    readonly exec: Exec<C>,
    readonly oneshot = false,
  ) {}

  isOneshot(): boolean {
    return this.oneshot;
  }

  /** Is called each time the command ends by itself. */
  onExit(fn: (success: boolean) => void): void {
    this.#onExit.push(fn);
  }

  /** Begins it, if it does not run. */
  async start(): Promise<void> {
    if (this.#loop || (this.oneshot && this.succeeded)) return;
    this.#release ??= this.subcontainer?.hold();
    const end = new AbortController();
    this.#end = end;
    this.#loop = this.#run(end.signal);
  }

  async #run(end: AbortSignal): Promise<void> {
    for (let pause = 0; !end.aborted; pause = Math.min(pause + 1000, longestPause)) {
      const began = Date.now();
      const success = await runToEnd(this.subcontainer, this.exec as Exec<any>, end).catch((err: unknown) => {
        if (!end.aborted) console.error(`a command of the service failed: ${asError(err).message}`);
        return false;
      });
      if (end.aborted) return;
      if (this.oneshot && success) this.succeeded = true;
      for (const fn of this.#onExit) fn(success);
      if (this.oneshot && success) return;
      if (Date.now() - began > 2 * longestPause) pause = 0;
      await delay(pause, end);
    }
  }

  /** Ends the command and waits for that; it can be started again. */
  async stop(): Promise<void> {
    this.#end?.abort();
    await this.#loop;
    this.#loop = undefined;
  }

  /** Ends the command for good. Its subcontainer is then no longer held. */
  async term(): Promise<void> {
    await this.stop();
    await this.#release?.();
    this.#release = undefined;
  }

  detach(): void {
    this.subcontainer?.detach();
  }
}
