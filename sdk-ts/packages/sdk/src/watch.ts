import type { Effects } from "./effects.js";
import { AbortedError, asError, deepEqual } from "./values.js";

/** Decides what of a value is looked at, and when it counts as another. */
export interface WatchOptions<Raw, Mapped> {
  map?: ((value: Raw) => Mapped) | undefined;
  eq?: ((a: Mapped, b: Mapped) => boolean) | undefined;
  /** Whether a later value may be one that cannot be read, such as half a file: it is told in the log, and the next one waited for. */
  outlasts?: boolean | undefined;
}

/** Reads a value, and calls back once when it has changed since; with `outlasts` also where the reading failed. */
export type Source<Raw> = (callback?: () => void) => Promise<Raw>;

export type Heard = { cancel: boolean } | void;

/**
 * A value of the host that may change: read once, or as part of what runs (`const`), or watched. Two values are the same
 * when they are deeply equal, or by a function of your own.
 * @example
 * let value = 1;
 * const watched = new Watchable(effects, async () => value, { map: (raw: number) => raw * 2 });
 * assert.equal(await watched.once(), 2);
 */
export class Watchable<Raw, Mapped = Raw> {
  readonly #map: (value: Raw) => Mapped;
  readonly #eq: (a: Mapped, b: Mapped) => boolean;
  readonly #outlasts: boolean;

  constructor(
    readonly effects: Effects,
    private readonly source: Source<Raw> | null,
    options: WatchOptions<Raw, Mapped> = {},
  ) {
    this.#map = options.map ?? ((value) => value as unknown as Mapped);
    this.#eq = options.eq ?? deepEqual;
    this.#outlasts = options.outlasts ?? false;
  }

  /** Reads the raw value; a class of its own may do that in another way. */
  protected async fetch(callback?: () => void): Promise<Raw> {
    if (!this.source) throw new Error("what is watched has no source");
    return this.source(callback);
  }

  /** Reads the value now. */
  async once(): Promise<Mapped> {
    return this.#map(await this.fetch());
  }

  /**
   * Reads the value, and runs again what it was read for when it is another: in main the service restarts, in an init the
   * step is repeated. Where nothing can be run again, as in an action, it is `once`.
   */
  async const(): Promise<Mapped> {
    if (!this.effects.constRetry) return this.once();
    const retry = this.effects.constRetry;
    const steps = this.#steps(new AbortController().signal);
    const first = await steps.next();
    if (first.done) throw new AbortedError("the context has been left");
    void steps.next().then(
      ({ done }) => {
        void steps.return();
        if (!done && this.effects.isInContext) retry();
      },
      (err: unknown) => {
        if (this.effects.isInContext) console.error("a value that the service was made with can be watched no more:", asError(err).message);
      },
    );
    return first.value;
  }

  /** Gives the value now and each time it is another, until the signal or the end of the context. */
  async *watch(abort?: AbortSignal): AsyncGenerator<Mapped, never, unknown> {
    for await (const value of this.#steps(abort)) yield value;
    throw new AbortedError("the context has been left");
  }

  /** Calls back with the value now and each time it is another, until the callback cancels. */
  onChange(callback: (value: Mapped | undefined, error?: Error) => Heard | Promise<Heard>): void {
    const end = new AbortController();
    void (async () => {
      try {
        for await (const value of this.#steps(end.signal)) {
          if ((await callback(value))?.cancel) return;
        }
      } catch (err) {
        await callback(undefined, asError(err));
      } finally {
        end.abort();
      }
    })().catch((err: unknown) => console.error("a callback of a watch failed:", asError(err).message));
  }

  /** Waits until the value is as wanted. */
  async waitFor(pred: (value: Mapped) => boolean): Promise<Mapped> {
    for await (const value of this.#steps()) if (pred(value)) return value;
    throw new AbortedError("the context has been left");
  }

  async *#steps(abort?: AbortSignal): AsyncGenerator<Mapped, void, undefined> {
    const left = new Promise<"end">((resolve) => {
      if (abort?.aborted) resolve("end");
      abort?.addEventListener("abort", () => resolve("end"), { once: true });
      this.effects.onLeaveContext(() => resolve("end"));
    });
    let last: { value: Mapped } | undefined;
    // Without a context there are no callbacks: the value is all there is.
    while (!abort?.aborted) {
      let changed!: () => void;
      const change = new Promise<"change">((resolve) => (changed = () => resolve("change")));
      try {
        const value = this.#map(await this.fetch(changed));
        if (last === undefined || !this.#eq(last.value, value)) yield value;
        last = { value };
      } catch (err) {
        if (!last || !this.#outlasts) throw err;
        console.error("a value that is watched cannot be read as it is now:", asError(err).message);
      }
      if (!this.effects.isInContext) return;
      if ((await Promise.race([change, left])) === "end") return;
    }
  }
}
