import type { Buildable, Effects } from "../effects.js";
import { asError } from "../values.js";
import { configHash, endUnits, unitOf, type Daemons, type Entry } from "./daemons.js";
import type { Unit } from "./unit.js";

export type DaemonsBuilder = (options: { effects: Effects }) => Promise<Daemons<any>> | Daemons<any>;

interface Running {
  hash: string;
  unit: Unit;
}

/**
 * Parts of a service that follow what they were made from: when something that the builder read with `const` changes, it
 * is asked again, and only the parts that are others now, and those that require them, are ended and begun.
 * @example
 * const main = async ({ effects }: { effects: Effects }) => new DaemonsReconciler(effects, ({ effects }) => Daemons.of({ effects }));
 * assert.deepEqual(await (await main({ effects })).entries(), []);
 */
export class DaemonsReconciler implements Buildable {
  #running = new Map<string, Running>();
  #work: Promise<void> = Promise.resolve();
  #queued = false;
  #ended = false;

  constructor(
    private readonly effects: Effects,
    private readonly fn: DaemonsBuilder,
  ) {}

  /** What the builder says now, of which nothing is begun. */
  async entries(): Promise<readonly Entry[]> {
    return (await this.fn({ effects: this.effects.child("entries") })).entries;
  }

  async build(): Promise<{ term(): Promise<void>; detach(): void }> {
    this.#queued = true;
    this.#work = this.#reconcile();
    await this.#work;
    return { term: () => this.#term(), detach: () => this.detach() };
  }

  detach(): void {
    for (const { unit } of this.#running.values()) unit.daemon?.detach();
  }

  /** Asks the builder again, once what is under way has been done. */
  scheduleRerun(): void {
    if (this.#queued || this.#ended) return;
    this.#queued = true;
    this.#work = this.#work
      .then(() => this.#reconcile())
      .catch((err: unknown) => console.error(`the parts of the service could not be changed: ${asError(err).message}`));
  }

  async #reconcile(): Promise<void> {
    if (this.#ended) return;
    this.#queued = false;
    const child = this.effects.child("daemons");
    child.constRetry = () => this.scheduleRerun();
    const { entries } = await this.fn({ effects: child });
    const hashes = new Map(entries.map((entry) => [entry.id, configHash(entry)]));
    const others = new Set([...this.#running].filter(([id, { hash }]) => hashes.get(id) !== hash).map(([id]) => id));
    // What requires something that is begun anew is begun anew as well.
    for (const { id, requires } of entries) if (requires.some((required) => others.has(required) || (hashes.has(required) && !this.#running.has(required)))) others.add(id);
    const kept = new Set([...this.#running].flatMap(([id, { unit }]) => (!others.has(id) && unit.daemon?.subcontainer ? [unit.daemon.subcontainer.identity] : [])));
    const ending = [...this.#running].filter(([id]) => others.has(id));
    for (const [id] of ending) this.#running.delete(id);
    await endUnits(ending.map(([, { unit }]) => unit), kept);
    for (const [id, { unit }] of ending) if (!hashes.has(id)) await unit.retire();
    await this.#begin(entries, hashes);
  }

  async #begin(entries: readonly Entry[], hashes: ReadonlyMap<string, string>): Promise<void> {
    const needed = new Set(entries.map((entry) => (entry.kind === "health" || this.#running.has(entry.id) ? null : entry.subcontainer)));
    for (const entry of entries) {
      const kept = this.#running.get(entry.id);
      if (kept) {
        // What was made for the part again is not needed, unless a part that begins shares it.
        const spare = entry.kind === "health" ? null : entry.subcontainer;
        if (spare && spare !== kept.unit.daemon?.subcontainer && !needed.has(spare)) await spare.destroy();
        continue;
      }
      const units = new Map([...this.#running].map(([id, { unit }]) => [id, unit]));
      const unit = unitOf(entry, units, this.effects);
      // It outlives the context of the builder; it is removed when the part ends.
      unit.daemon?.detach();
      this.#running.set(entry.id, { hash: hashes.get(entry.id)!, unit });
      unit.start();
    }
  }

  async #term(): Promise<void> {
    this.#ended = true;
    await this.#work.catch(() => {});
    const units = [...this.#running.values()].map(({ unit }) => unit);
    this.#running.clear();
    await endUnits(units);
  }
}
