import type { Buildable, Effects } from "../effects.js";
import type { LazySubContainer, SubContainer } from "../subcontainer.js";
import type { Exec } from "./command.js";
import { Daemon } from "./daemon.js";
import { Unit, type Ready } from "./unit.js";

type Sub = SubContainer<any> | null;
interface Runs<C extends Sub> {
  exec: Exec<C>;
  subcontainer: C;
}
export type DaemonParams<Ids extends string, Id extends string, C extends Sub> = (Runs<C> | { daemon: Daemon<any> }) & { ready: Ready; requires: Exclude<Ids, Id>[] };
export type OneshotParams<Ids extends string, Id extends string, C extends Sub> = Runs<C> & { requires: Exclude<Ids, Id>[] };
export type CheckParams<Ids extends string, Id extends string> = { ready: Ready; requires: Exclude<Ids, Id>[] };
type Given<T> = T | (() => T | null);
type GivenLater<T> = () => Promise<T | null>;
type Taken<Id extends string> = `The id '${Id}' is already used`;
/** The id, where it is not taken. */
export type NewId<Ids extends string, Id extends string> = Id extends Ids ? Taken<Id> : Id;

/** What was said of one part of the service. */
export type Entry =
  | { kind: "daemon"; id: string; subcontainer: Sub; exec: Exec<any>; ready: Ready; requires: readonly string[]; prebuilt: Daemon<any> | null }
  | { kind: "oneshot"; id: string; subcontainer: Sub; exec: Exec<any>; requires: readonly string[] }
  | { kind: "health"; id: string; ready: Ready; requires: readonly string[] };

/** Makes the unit of an entry; what it requires must be there. A requirement that was left out is none. */
export function unitOf(entry: Entry, units: ReadonlyMap<string, Unit>, effects: Effects): Unit {
  const requires = entry.requires.flatMap((id) => units.get(id) ?? []);
  if (entry.kind === "health") return new Unit(entry.id, null, entry.ready, requires, effects);
  if (entry.kind === "oneshot") return new Unit(entry.id, new Daemon(entry.subcontainer, entry.exec, true), null, requires, effects);
  return new Unit(entry.id, entry.prebuilt ?? new Daemon(entry.subcontainer, entry.exec), entry.ready, requires, effects);
}

/** Ends units, those first that others do not require, and then removes what they ran in. */
export async function endUnits(units: readonly Unit[], keep: ReadonlySet<symbol> = new Set()): Promise<void> {
  const left = new Set(units);
  const failed: unknown[] = [];
  while (left.size > 0) {
    const free = [...left].filter((unit) => ![...left].some((other) => other.requires.includes(unit)));
    const batch = free.length > 0 ? free : [...left];
    for (const { status, ...rest } of await Promise.allSettled(batch.map((unit) => unit.term()))) if (status === "rejected") failed.push((rest as { reason: unknown }).reason);
    for (const unit of batch) left.delete(unit);
  }
  const roots = new Set(units.flatMap(({ daemon }) => (daemon?.subcontainer && !keep.has(daemon.subcontainer.identity) ? [daemon.subcontainer] : [])));
  for (const root of roots) await root.destroy().catch((err: unknown) => failed.push(err));
  if (failed.length > 0) throw failed[0];
}

/**
 * The parts of a service: daemons, oneshots and health checks, each with what it waits for. It is a description until it
 * is built. Immutable: each addition gives a new one.
 * @example
 * const parts = Daemons.of({ effects })
 *   .addOneshot("prepare", { subcontainer: database, exec: { command: ["true"] }, requires: [] })
 *   .addDaemon("web", { subcontainer: database, exec: { command: ["serve"] }, ready: { display: "Page", fn: () => ({ result: "success", message: null }) }, requires: ["prepare"] });
 * assert.deepEqual(parts.ids, ["prepare", "web"]);
 */
export class Daemons<Ids extends string> implements Buildable {
  #units: Unit[] | undefined;
  #term: Promise<void> | undefined;

  private constructor(
    readonly effects: Effects,
    readonly ids: Ids[],
    readonly entries: readonly Entry[],
  ) {}

  static of(options: { effects: Effects }): Daemons<never> {
    return new Daemons<never>(options.effects, [], []);
  }

  #add(id: string, entry: Entry | null): Daemons<any> {
    if ((this.ids as string[]).includes(id)) throw new Error(`the id ${id} is already used`);
    return new Daemons<any>(this.effects, [...this.ids, id], entry ? [...this.entries, entry] : this.entries);
  }

  #given<T>(id: string, given: Given<T> | GivenLater<T>, make: (params: T) => Entry): any {
    const params = typeof given === "function" ? (given as () => T | null | Promise<T | null>)() : given;
    if (params instanceof Promise) return params.then((later) => this.#add(id, later === null ? null : make(later)));
    return this.#add(id, params === null ? null : make(params as T));
  }

  /** Adds a command that is kept running. A function that gives null leaves it out. */
  addDaemon<Id extends string, C extends Sub>(id: NewId<Ids, Id> & Id, options: Given<DaemonParams<Ids, Id, C>>): Daemons<Ids | Id>;
  addDaemon<Id extends string, C extends Sub>(id: NewId<Ids, Id> & Id, options: GivenLater<DaemonParams<Ids, Id, C>>): Promise<Daemons<Ids | Id>>;
  addDaemon(id: string, options: any): any {
    return this.#given<DaemonParams<string, string, any>>(id, options, (p) => {
      const { ready, requires } = p;
      if ("daemon" in p) return { kind: "daemon", id, subcontainer: p.daemon.subcontainer, exec: p.daemon.exec, ready, requires, prebuilt: p.daemon };
      return { kind: "daemon", id, subcontainer: p.subcontainer, exec: p.exec, ready, requires, prebuilt: null };
    });
  }

  /** Adds a command that has to succeed once. */
  addOneshot<Id extends string, C extends Sub>(id: NewId<Ids, Id> & Id, options: Given<OneshotParams<Ids, Id, C>>): Daemons<Ids | Id>;
  addOneshot<Id extends string, C extends Sub>(id: NewId<Ids, Id> & Id, options: GivenLater<OneshotParams<Ids, Id, C>>): Promise<Daemons<Ids | Id>>;
  addOneshot(id: string, options: any): any {
    return this.#given<OneshotParams<string, string, any>>(id, options, ({ subcontainer, exec, requires }) => ({ kind: "oneshot", id, subcontainer, exec, requires }));
  }

  /** Adds a health check by itself. */
  addHealthCheck<Id extends string>(id: NewId<Ids, Id> & Id, options: Given<CheckParams<Ids, Id>>): Daemons<Ids | Id>;
  addHealthCheck<Id extends string>(id: NewId<Ids, Id> & Id, options: GivenLater<CheckParams<Ids, Id>>): Promise<Daemons<Ids | Id>>;
  addHealthCheck(id: string, options: any): any {
    return this.#given<CheckParams<string, string>>(id, options, ({ ready, requires }) => ({ kind: "health", id, ready, requires }));
  }

  /** Begins all parts that wait for nothing, and lets the others wait. */
  async build(): Promise<this> {
    if (this.#units) return this;
    const units = new Map<string, Unit>();
    for (const entry of this.entries) units.set(entry.id, unitOf(entry, units, this.effects));
    this.#units = [...units.values()];
    for (const unit of this.#units) unit.start();
    return this;
  }

  /** The parts, once it is built. */
  get healthDaemons(): readonly Unit[] {
    return this.#units ?? [];
  }

  /** Runs all parts until each is ready, and ends them. */
  async runUntilSuccess(timeout: number | null): Promise<null> {
    const signal = timeout === null ? new AbortController().signal : AbortSignal.timeout(timeout);
    await this.build();
    try {
      await Promise.all(this.healthDaemons.map((unit) => unit.whenReady(signal)));
      const late = this.healthDaemons.filter(({ isReady }) => !isReady);
      if (late.length > 0) throw new Error(`not ready within ${timeout} ms: ${late.map(({ id }) => id).join(", ")}`);
      return null;
    } finally {
      await this.term();
    }
  }

  detach(): void {
    for (const { daemon } of this.healthDaemons) daemon?.detach();
  }

  /** Ends all parts, and waits for that. */
  term(): Promise<void> {
    this.#term ??= endUnits(this.healthDaemons);
    return this.#term;
  }
}

/** What of an entry makes another one of it when it changes. Functions are not seen. */
export function configHash(entry: Entry): string {
  const exec = entry.kind === "health" ? null : (entry.exec as unknown as Record<string, unknown>);
  const sub = entry.kind === "health" ? null : (entry.subcontainer as LazySubContainer | null);
  const command = exec && !("fn" in exec) ? exec : exec && { sigtermTimeout: exec["sigtermTimeout"] };
  const ready = "ready" in entry ? { display: entry.ready.display, gracePeriod: entry.ready.gracePeriod } : null;
  const root = sub && { image: sub.imageId, name: sub.name, sharedRun: sub.sharedRun, mounts: sub.mounts?.build() };
  return JSON.stringify([entry.kind, entry.id, command, root, ready, entry.requires], (_key, value: unknown) => (typeof value === "function" ? undefined : value));
}
