import type { Account } from "@hearthos/api/hearth/accounts/v1/accounts_pb";
import type { Preferences } from "@hearthos/api/hearth/accounts/v1/preferences_pb";
import type { Action, Task } from "@hearthos/api/hearth/actions/v1/actions_pb";
import type { Warning } from "@hearthos/api/hearth/diagnostics/v1/diagnostics_pb";
import type { Gateway } from "@hearthos/api/hearth/gateways/v1/gateways_pb";
import type { Host, Reachability, UrlPlugin } from "@hearthos/api/hearth/hosts/v1/hosts_pb";
import type { Notification } from "@hearthos/api/hearth/notifications/v1/notifications_pb";
import type { Operation, Progress } from "@hearthos/api/hearth/operations/v1/operations_pb";
import type { PackageLimits } from "@hearthos/api/hearth/packages/v1/limits_pb";
import type { PackageUpdate, UpdatePolicy } from "@hearthos/api/hearth/packages/v1/updates_pb";
import type { Artifact, Dependency, EffectPolicy, HealthCheck, Package, RefusedEffect, Snapshot } from "@hearthos/api/hearth/packages/v1/resources_pb";
import type { Usage } from "@hearthos/api/hearth/packages/v1/usage_pb";
import type { Registry } from "@hearthos/api/hearth/registries/v1/resources_pb";
import { Update_Phase, type Change, type Update } from "@hearthos/api/hearth/state/v1/state_pb";
import type { Hardware, ServerUsage } from "@hearthos/api/hearth/system/v1/machine_pb";
import type { Settings, Smtp } from "@hearthos/api/hearth/system/v1/settings_pb";
import { SvelteMap } from "svelte/reactivity";
import { plainly } from "../ui/plain.js";

/** What the page keeps a copy of, by the names of the kinds. */
export interface Kinds {
  account: Account;
  action: Action;
  artifact: Artifact;
  dependency: Dependency;
  effectpolicy: EffectPolicy;
  gateway: Gateway;
  hardware: Hardware;
  healthcheck: HealthCheck;
  host: Host;
  notification: Notification;
  operation: Operation;
  package: Package;
  packagelimits: PackageLimits;
  packageupdate: PackageUpdate;
  preferences: Preferences;
  progress: Progress;
  reachability: Reachability;
  refusedeffect: RefusedEffect;
  registry: Registry;
  serverusage: ServerUsage;
  settings: Settings;
  smtp: Smtp;
  snapshot: Snapshot;
  task: Task;
  updatepolicy: UpdatePolicy;
  urlplugin: UrlPlugin;
  usage: Usage;
  warning: Warning;
}

export type Kind = keyof Kinds;

/** The kinds by name; which of them the caller may read is said by the server. */
export const kinds: readonly Kind[] = [
  "account", "action", "artifact", "dependency", "effectpolicy", "gateway", "hardware", "healthcheck", "host", "notification",
  "operation", "package", "packagelimits", "packageupdate", "preferences", "progress", "reachability", "refusedeffect", "registry", "serverusage", "settings", "smtp", "snapshot",
  "task", "updatepolicy", "urlplugin", "usage", "warning",
];

export type Row = Kinds[Kind];

/** Kinds whose rows say what packages and other servers chose to say. */
const foreign: ReadonlySet<string> = new Set<Kind>([
  "action", "dependency", "hardware", "healthcheck", "host", "notification", "operation", "package", "packageupdate", "progress", "refusedeffect", "registry", "snapshot", "task",
  "urlplugin", "usage", "warning",
]);

/**
 * The two parts of the copy, each with its own place in the feed: what people see first, and the rest, of which there is most: files,
 * actions, operations that have ended.
 */
export type Part = "first" | "rest";
export const parts: readonly Part[] = ["first", "rest"];
const seenFirst: ReadonlySet<string> = new Set<Kind>([
  "gateway", "healthcheck", "host", "notification", "package", "packageupdate", "preferences", "registry", "settings", "task", "usage", "warning",
]);

/** Which part a kind belongs to. */
export const partOf = (kind: string): Part => (seenFirst.has(kind) ? "first" : "rest");

/** How far a part of the copy is. */
class Standing {
  bookmark = "";
  /** What a snapshot under way has brought, by kind; undefined when none is under way. */
  fresh: Map<string, Set<string>> | undefined;
  ready = $state(false);
}

const parentOf = (id: string): string => id.slice(0, Math.max(0, id.indexOf("/")));

/** The rows of one kind, also by what they belong to. */
class Rows {
  readonly all = new SvelteMap<string, Row>();
  /**
   * Written and never made by those who ask: what a reaction makes itself it does not heed, and whoever asks before there is anything
   * is to hear of what comes.
   */
  readonly #children = new SvelteMap<string, SvelteMap<string, Row>>();

  children(parent: string): ReadonlyMap<string, Row> | undefined {
    return this.#children.get(parent);
  }

  set(id: string, row: Row): void {
    this.all.set(id, row);
    const parent = parentOf(id);
    if (parent === "") return;
    const rows = this.#children.get(parent) ?? new SvelteMap<string, Row>();
    rows.set(id, row);
    this.#children.set(parent, rows);
  }

  delete(id: string): void {
    this.all.delete(id);
    this.#children.get(parentOf(id))?.delete(id);
  }
}

/**
 * The page's copy of the server's state. It is written by the feed alone, whose updates it takes in their order, and read by
 * everything that is shown. A new snapshot replaces the copy without emptying it first: what is shown does not flicker.
 */
export class Replica {
  readonly #rows: ReadonlyMap<string, Rows> = new Map(kinds.map((kind) => [kind, new Rows()]));
  #ephemeral = new Map<string, Set<string>>();
  readonly #parts: Readonly<Record<Part, Standing>> = { first: new Standing(), rest: new Standing() };
  #revision = 0n;
  /** Told of each row that is written, for what keeps more than the newest. */
  onRow: ((kind: string, id: string, row: Row | undefined) => void) | undefined;
  #waiting: { revision: bigint; resolve: () => void }[] = [];

  /** Whether what is seen first is there; until then nothing can be said of what is not in it. */
  get ready(): boolean {
    return this.#parts.first.ready;
  }

  /** Whether all of the copy is there. */
  get whole(): boolean {
    return parts.every((part) => this.#parts[part].ready);
  }

  /** Whether a snapshot is under way, of which the copy has a part. */
  get gathering(): boolean {
    return parts.some((part) => this.#parts[part].fresh !== undefined);
  }

  /** Where the feed is to go on with a part; empty where there is nothing of it yet. */
  bookmark(part: Part): string {
    return this.#parts[part].bookmark;
  }

  get revision(): bigint {
    return this.#revision;
  }

  get<K extends Kind>(kind: K, id: string): Kinds[K] | undefined {
    return this.#of(kind).all.get(id) as Kinds[K] | undefined;
  }

  /** All rows of a kind, or those that belong to one parent, by id. */
  list<K extends Kind>(kind: K, parent?: string): Kinds[K][] {
    const rows = parent === undefined ? this.#of(kind).all : this.#of(kind).children(parent);
    return [...(rows ?? [])].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, row]) => row as Kinds[K]);
  }

  #of(kind: string): Rows {
    return this.#rows.get(kind)!;
  }

  /** Takes an update in, which is for the parts that it names. */
  apply(update: Update): void {
    const named = parts.filter((part) => update.targets.includes(part));
    for (const part of named) {
      if (update.bootId !== "") this.#forgetEphemeral(part);
      if (update.phase === Update_Phase.SNAPSHOT) this.#parts[part].fresh ??= new Map();
    }
    for (const change of update.changes) this.#change(change);
    if (update.bookmark === "") return;
    for (const part of named) {
      const standing = this.#parts[part];
      standing.bookmark = update.bookmark;
      if (standing.fresh !== undefined) this.#finishSnapshot(part, standing.fresh);
      standing.fresh = undefined;
      standing.ready = true;
    }
    this.#reach(update.revision);
  }

  #change(change: Change): void {
    const rows = this.#rows.get(change.kind);
    if (rows === undefined) return; // a kind that this page does not know
    const value = change.resource?.kind.value as Row | undefined;
    if (value !== undefined && foreign.has(change.kind)) plainly(value);
    if (value === undefined) rows.delete(change.id);
    else rows.set(change.id, value);
    this.onRow?.(change.kind, change.id, value);
    if (change.revision === 0n) {
      const ids = this.#ephemeral.get(change.kind) ?? new Set();
      this.#ephemeral.set(change.kind, value === undefined ? without(ids, change.id) : ids.add(change.id));
      return;
    }
    const { fresh } = this.#parts[partOf(change.kind)];
    if (fresh === undefined) {
      this.#reach(change.revision);
      return;
    }
    fresh.set(change.kind, (fresh.get(change.kind) ?? new Set()).add(change.id));
  }

  #forgetEphemeral(part: Part): void {
    for (const [kind, ids] of this.#ephemeral) {
      if (partOf(kind) !== part) continue;
      for (const id of ids) this.#of(kind).delete(id);
      this.#ephemeral.delete(kind);
    }
  }

  /** What the snapshot of a part did not bring is no longer there. */
  #finishSnapshot(part: Part, fresh: ReadonlyMap<string, ReadonlySet<string>>): void {
    for (const [kind, rows] of this.#rows) {
      if (partOf(kind) !== part) continue;
      for (const id of [...rows.all.keys()]) {
        if (!fresh.get(kind)?.has(id) && !this.#ephemeral.get(kind)?.has(id)) rows.delete(id);
      }
    }
    if (part === "first") this.#revision = 0n; // a restored server may have gone back
  }

  /** Begins a new call of the feed: an update that was cut off counts as not begun. */
  begin(): void {
    for (const part of parts) this.#parts[part].fresh = undefined;
  }

  /** Has the next call begin with a snapshot. */
  restart(): void {
    this.begin();
    for (const part of parts) this.#parts[part].bookmark = "";
  }

  /** Forgets everything, as when nobody is logged in any more. */
  clear(): void {
    for (const rows of this.#rows.values()) for (const id of [...rows.all.keys()]) rows.delete(id);
    this.#ephemeral = new Map();
    this.restart();
    for (const part of parts) this.#parts[part].ready = false;
    this.#revision = 0n;
    for (const waiter of [...this.#waiting]) waiter.resolve();
  }

  #reach(revision: bigint): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    for (const waiter of this.#waiting.filter((w) => w.revision <= revision)) waiter.resolve();
  }

  /**
   * Resolves when the copy has what was written at a revision, so that a page shows what its reader has just done. After
   * `patience` milliseconds it resolves all the same: the feed may be away, or the caller may not see what was written.
   */
  async reached(revision: bigint, patience = 2000): Promise<void> {
    if (revision <= this.#revision) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, patience);
      const waiter = { revision, resolve: done };
      const forget = () => (this.#waiting = this.#waiting.filter((w) => w !== waiter));
      function done(): void {
        clearTimeout(timer);
        forget();
        resolve();
      }
      this.#waiting.push(waiter);
    });
  }

  /** The whole copy as an update that makes another copy the same. */
  *dump(): Iterable<{ kind: string; id: string; row: Row; ephemeral: boolean }> {
    for (const [kind, rows] of this.#rows) {
      for (const [id, row] of rows.all) yield { kind, id, row, ephemeral: this.#ephemeral.get(kind)?.has(id) ?? false };
    }
  }
}

function without(ids: Set<string>, id: string): Set<string> {
  ids.delete(id);
  return ids;
}
