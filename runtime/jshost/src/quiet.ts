import type { Effects } from "./effects.js";
import { log } from "./log.js";

/** The code of a package that makes its data quiet, and the code that ends that; the second may run at any time, again too. */
export interface QuietHooks {
  /** It may answer that `createBackup` can read volumes elsewhere. */
  freeze(options: { effects: Effects }): Promise<unknown>;
  thaw(options: { effects: Effects }): Promise<unknown>;
}

/**
 * Whether the data of a running package are quiet. The host thaws them; the end of main does, and the clock, so that no
 * service stays frozen whose host went away. They were held only if nothing but the host ended it.
 *
 *     thawed --freeze--> frozen --thaw, end of main, clock--> thawed
 */
export class Quiet {
  #frozen: (() => Promise<unknown>) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** Freezes, at most for so many seconds, and tells whether a backup can be made of a snapshot. */
  freeze(hooks: QuietHooks, effects: Effects, seconds: number): Promise<{ apart: boolean }> {
    return this.#next(async () => {
      this.#forget();
      // Before the package does anything: what fails half-way is thawed, too.
      this.#frozen = () => hooks.thaw({ effects });
      this.#timer = setTimeout(() => void this.end("nobody thawed them in time"), seconds * 1000);
      const told = await hooks.freeze({ effects });
      return { apart: typeof told === "object" && told !== null && "apart" in told && told.apart === true };
    });
  }

  /** Thaws, and tells whether the data were quiet since they were frozen. */
  thaw(hooks: QuietHooks, effects: Effects): Promise<{ held: boolean }> {
    return this.#next(async () => {
      const held = this.#frozen !== undefined;
      this.#forget();
      await hooks.thaw({ effects });
      return { held };
    });
  }

  /** Thaws what is frozen, for a reason of its own. */
  end(why: string): Promise<void> {
    return this.#next(async () => {
      const thaw = this.#frozen;
      if (!thaw) return;
      this.#forget();
      log(`the data are thawed: ${why}`);
      await thaw().catch((err: unknown) => log("the data cannot be thawed", err));
    });
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#frozen = undefined;
  }

  // One after the other: a thaw comes after the freeze that is under way.
  #next<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(run);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}
