import type { FullProgress, Progress, ProgressUnits } from "./wire.js";

/** Takes a progress to the host. */
export type ProgressSink = (progress: Progress) => Promise<unknown>;
export type LeafProgress = Exclude<Progress, FullProgress>;

/** What of a progress is one number: phases have it in `overall`. */
export function leafProgress(progress: Progress): LeafProgress {
  return typeof progress === "object" && progress !== null && "overall" in progress ? leafProgress(progress.overall) : progress;
}

/**
 * One phase of a work: people see its name and how far it is.
 * @example
 * const phase = new FullProgressTracker().addPhase("Reading");
 * phase.start();
 * phase.complete();
 * assert.equal(phase.snapshot(), true);
 */
export class PhaseHandle {
  #state: Progress = null;

  constructor(readonly changed: () => void = () => {}) {}

  /** Shows that the phase has begun. */
  start(): void {
    if (this.#state === null) this.setRaw(false);
  }
  setDone(done: number): void {
    this.setRaw({ ...this.#counted(), done });
  }
  setTotal(total: number): void {
    this.setRaw({ ...this.#counted(), total });
  }
  addTotal(total: number): void {
    this.setTotal((this.#counted().total ?? 0) + total);
  }
  setUnits(units: ProgressUnits | null): void {
    this.setRaw({ ...this.#counted(), units });
  }
  complete(): void {
    this.setRaw(true);
  }
  setRaw(value: Progress): void {
    this.#state = value;
    this.changed();
  }
  snapshot(): Progress {
    return this.#state;
  }

  #counted(): { done: number; total: number | null; units: ProgressUnits | null } {
    const state = this.#state;
    return typeof state === "object" && state !== null && "done" in state ? state : { done: 0, total: null, units: null };
  }
}

interface Phase {
  name: string;
  share: number;
  work: PhaseHandle | FullProgressTracker;
}

/**
 * The progress of a work in phases. Each phase has a share of the whole; one without a share is shown and does not count.
 * The host gets the newest state only, one at a time, however often it changes.
 * @example
 * const progress = new FullProgressTracker();
 * const copying = progress.addPhase("Copying");
 * copying.setTotal(10);
 * copying.setDone(5);
 * assert.equal(progress.snapshot().phases[0]?.name, "Copying");
 */
export class FullProgressTracker {
  readonly #phases: Phase[] = [];
  readonly #sink: ProgressSink | undefined;
  readonly #parent: FullProgressTracker | undefined;
  #completed = false;
  #sending: Promise<void> | undefined;
  #again = false;

  constructor(sink?: ProgressSink, parent?: FullProgressTracker) {
    this.#sink = sink;
    this.#parent = parent;
  }

  /** Adds a phase behind those there are. */
  addPhase(name: string, contribution: number | null = null): PhaseHandle {
    const phase = new PhaseHandle(() => this.#changed());
    this.#add(name, contribution, phase);
    return phase;
  }

  /** Adds a phase that has phases of its own. */
  addNestedPhase(name: string, contribution: number | null = null): FullProgressTracker {
    const nested = new FullProgressTracker(undefined, this);
    this.#add(name, contribution, nested);
    return nested;
  }

  getPhase(name: string): PhaseHandle | FullProgressTracker | undefined {
    return this.#phases.find((phase) => phase.name === name)?.work;
  }

  /** Says that all is done, also the phases that nobody completed. */
  complete(): void {
    this.#completed = true;
    this.#changed();
  }

  /** Waits until the host has the newest state. */
  async sync(): Promise<void> {
    if (this.#parent) return this.#parent.sync();
    this.#send();
    while (this.#sending) await this.#sending;
  }

  snapshot(): FullProgress {
    return {
      overall: this.#overall(),
      phases: this.#phases.map(({ name, work }) => ({ name, progress: this.#completed ? true : work.snapshot() })),
    };
  }

  #add(name: string, share: number | null, work: PhaseHandle | FullProgressTracker): void {
    this.#phases.push({ name, share: share ?? 0, work });
    this.#changed();
  }

  #overall(): Progress {
    if (this.#completed) return true;
    const states = this.#phases.map(({ work, share }) => ({ share, state: leafProgress(work.snapshot()) }));
    if (states.every(({ state }) => state === null)) return null;
    const counted = states.filter(({ share }) => share > 0);
    if (counted.length === 0) return states.every(({ state }) => state === true) ? true : false;
    const total = counted.reduce((sum, { share }) => sum + share, 0);
    const done = counted.reduce((sum, { share, state }) => sum + share * fraction(state), 0);
    return done >= total ? true : { done: Math.floor(done), total, units: null };
  }

  #changed(): void {
    if (this.#parent) this.#parent.#changed();
    else this.#send();
  }

  #send(): void {
    if (!this.#sink) return;
    this.#again = true;
    this.#sending ??= this.#drain(this.#sink).finally(() => (this.#sending = undefined));
  }

  async #drain(sink: ProgressSink): Promise<void> {
    while (this.#again) {
      await Promise.resolve(); // what changes in one go is sent as one
      this.#again = false;
      // A progress that the host does not take hinders no work.
      await sink(this.snapshot()).catch(() => {});
    }
  }
}

function fraction(state: LeafProgress): number {
  if (state === true) return 1;
  if (typeof state !== "object" || state === null || !state.total) return 0;
  return Math.min(1, Math.max(0, state.done / state.total));
}
