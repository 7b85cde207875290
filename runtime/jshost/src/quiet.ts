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
  /** The freeze came to its end. */
  #whole = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** Gives up the freeze that is under way. */
  #giveUp: (() => void) | undefined;

  constructor(
    /** How long a freeze under way is waited for once somebody wants its end, in milliseconds. */
    private readonly patience = 5_000,
    /** How long a thaw may take. */
    private readonly thawPatience = 60_000,
  ) {}

  /** Freezes, at most for so many seconds, and tells whether a backup can be made of a snapshot. */
  freeze(hooks: QuietHooks, effects: Effects, seconds: number): Promise<{ apart: boolean }> {
    return this.#next(async () => {
      this.#forget();
      // Before the package does anything: what fails half-way is thawed, too.
      this.#frozen = () => this.#thaw(hooks, effects);
      this.#timer = setTimeout(() => void this.end("nobody thawed them in time"), seconds * 1000);
      const freezing = hooks.freeze({ effects });
      const givenUp = new Promise<void>((resolve) => (this.#giveUp = resolve)).then(() => this.#lost(freezing, hooks, effects));
      const told = await Promise.race([freezing, givenUp]).finally(() => (this.#giveUp = undefined));
      this.#whole = true;
      return { apart: typeof told === "object" && told !== null && "apart" in told && told.apart === true };
    });
  }

  /** Thaws, and tells whether the data were quiet since they were frozen. */
  thaw(hooks: QuietHooks, effects: Effects): Promise<{ held: boolean }> {
    return this.#after(async () => {
      const held = this.#frozen !== undefined && this.#whole;
      this.#forget();
      await this.#thaw(hooks, effects);
      return { held };
    });
  }

  /** Thaws what is frozen, for a reason of its own. */
  end(why: string): Promise<void> {
    return this.#after(async () => {
      const thaw = this.#frozen;
      if (!thaw) return;
      this.#forget();
      log(`the data are thawed: ${why}`);
      await thaw().catch((err: unknown) => log("the data cannot be thawed", err));
    });
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#frozen = this.#giveUp = undefined;
    this.#whole = false;
  }

  // Comes after the freeze that is under way; one that does not come back holds up neither a thaw nor the end of main.
  #after<T>(run: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#giveUp?.(), this.patience);
    return this.#next(() => (clearTimeout(timer), run()));
  }

  // What was given up may come back after all, when others have thawed already: it is thawed then.
  #lost(freezing: Promise<unknown>, hooks: QuietHooks, effects: Effects): never {
    const thaw = () => this.#next(() => this.#thaw(hooks, effects)).catch((err: unknown) => log("the data cannot be thawed", err));
    void freezing.then(thaw, thaw);
    throw new Error("the code that freezes the data did not end in time");
  }

  async #thaw(hooks: QuietHooks, effects: Effects): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error("the code that thaws the data did not end in time")), this.thawPatience)));
    await Promise.race([hooks.thaw({ effects }), late]).finally(() => clearTimeout(timer));
  }

  // One after the other: a thaw comes after the freeze that is under way.
  #next<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(run);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}
