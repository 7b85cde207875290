import type { Effects } from "../effects.js";
import type { InitKind, InitScript, Target, UninitScript } from "../init.js";
import { FullProgressTracker } from "../progress.js";
import type { LocaleString } from "../wire.js";
import { VersionRange } from "./range.js";
import { ExtendedVersion, type ValidateExVer } from "./version.js";
import type { ValidateExVerRange } from "./range.js";

/**
 * Says of a migration that there is none: data cannot go that way.
 * @example
 * const second = VersionInfo.of({ version: "2.0.0:0", releaseNotes: "Another database", migrations: { up: async () => {}, down: IMPOSSIBLE } });
 */
export const IMPOSSIBLE: unique symbol = Symbol("IMPOSSIBLE");

export interface MigrationOpts {
  effects: Effects;
  progress: FullProgressTracker;
}
export type Step = (options: MigrationOpts) => Promise<void>;
export interface Migration {
  up?: Step;
  down?: Step;
}
export interface VersionOptions<Version extends string> {
  version: Version & ValidateExVer<Version>;
  releaseNotes: LocaleString;
  migrations: {
    /** From the version before to this one. */
    up?: Step | typeof IMPOSSIBLE;
    /** From this version to the one before. */
    down?: Step | typeof IMPOSSIBLE;
    /** Straight from, and to, the versions of a range. */
    other?: Record<string, Migration>;
  };
}
type ValidateOther<O> = { [K in keyof O]: K extends string ? ([ValidateExVerRange<K>] extends [never] ? never : O[K]) : O[K] };

/**
 * A version of a package, and how data get to it and away from it. Immutable.
 * @example
 * const first = VersionInfo.of({ version: "1.0.0:0", releaseNotes: "First", migrations: {} });
 * assert.equal(first.options.version, "1.0.0:0");
 */
export class VersionInfo<Version extends string> {
  readonly _version!: Version;

  private constructor(readonly options: VersionOptions<Version> & { satisfies: string[] }) {}

  static of<Version extends string, const Other extends Record<string, Migration> = {}>(
    options: VersionOptions<Version> & { migrations: { other?: Other & ValidateOther<Other> } },
  ): VersionInfo<Version> {
    return new VersionInfo<Version>({ ...options, satisfies: [] });
  }

  /** Says that this version also counts as another, to those who depend on that. */
  satisfies<V extends string>(version: V & ValidateExVer<V>): VersionInfo<Version> {
    return new VersionInfo<Version>({ ...this.options, satisfies: [...this.options.satisfies, version] });
  }
}

type Place = ExtendedVersion | VersionRange;
interface Vertex {
  place: Place;
  edges: { to: Vertex; step: Step | undefined }[];
}

/** The version of the data in the volumes; null when there are none yet. */
export async function getDataVersion(effects: Effects): Promise<Place | null> {
  const text = await effects.getDataVersion();
  if (text === null) return null;
  try {
    return ExtendedVersion.parse(text);
  } catch {
    return VersionRange.parse(text);
  }
}

/** Says which version the data in the volumes have. */
export function setDataVersion(effects: Effects, version: Place | null): Promise<null> {
  return effects.setDataVersion({ version: version === null ? null : version.toString() });
}

/** Whether two versions, or ranges of them, have a version in common. They may be of another copy of this library. */
export function overlaps(a: Place, b: Place): boolean {
  const [left, right] = [own(a), own(b)];
  if (left instanceof ExtendedVersion) return right instanceof ExtendedVersion ? left.equals(right) : left.satisfies(right);
  return right instanceof ExtendedVersion ? right.satisfies(left) : left.intersects(right);
}

// The host hands over versions of its own classes.
function own(place: Place): Place {
  if (place instanceof ExtendedVersion || place instanceof VersionRange) return place;
  return "satisfiedBy" in (place as object) ? VersionRange.parse(String(place)) : ExtendedVersion.parse(String(place));
}

/**
 * The versions of a package and the ways between them. In the init data go to the current version, by the fewest steps; in
 * the uninit to a version that what comes next can take. After each step the version of the data is written down, so that
 * a step that was done is not done again after a crash.
 * @example
 * const first = VersionInfo.of({ version: "1.0.0:0", releaseNotes: "First", migrations: {} });
 * const second = VersionInfo.of({ version: "2.0.0:0", releaseNotes: "Second", migrations: { up: async () => {}, down: IMPOSSIBLE } });
 * const versions = VersionGraph.of({ current: second, other: [first] });
 * assert.ok(versions.canMigrateFrom().satisfiedBy(ExtendedVersion.parse("1.0.0:0")));
 */
export class VersionGraph<Current extends string> implements InitScript, UninitScript {
  readonly #vertices: Vertex[] = [];
  readonly current: VersionInfo<Current>;
  /** All versions, the newest last. */
  readonly versions: VersionInfo<string>[];

  private constructor(current: VersionInfo<Current>, other: VersionInfo<string>[]) {
    this.current = current;
    this.versions = [current as unknown as VersionInfo<string>, ...other].sort((a, b) => parsed(a).compareForSort(parsed(b)));
    for (const [i, version] of this.versions.entries()) {
      const before = this.versions[i - 1];
      if (before && parsed(before).equals(parsed(version))) throw new Error(`the version ${parsed(version)} is there twice`);
    }
    for (const version of this.versions) this.#place(version);
    for (const version of this.versions) this.#jumps(version);
  }

  static of<Current extends string, Other extends VersionInfo<any>[]>(options: { current: VersionInfo<Current>; other: Other }): VersionGraph<Current> {
    return new VersionGraph(options.current, options.other);
  }

  currentVersion = (): ExtendedVersion => parsed(this.current as unknown as VersionInfo<string>);

  // A vertex for the version. Data of a version between it and the one before of its flavor come up as those of that one
  // do; and what leads down leads to all of those, too.
  #place(info: VersionInfo<string>): void {
    const version = parsed(info);
    const before = this.#vertices.findLast(({ place }) => place instanceof ExtendedVersion && place.flavor === version.flavor);
    const below = VersionRange.anchor("<", version);
    const gap = before ? VersionRange.anchor(">=", before.place as ExtendedVersion).and(below) : below;
    const vertex: Vertex = { place: version, edges: [] };
    const { up, down } = info.options.migrations;
    if (up !== IMPOSSIBLE) {
      before?.edges.push({ to: vertex, step: up });
      this.#vertices.push({ place: gap, edges: [{ to: vertex, step: up }] });
    }
    if (down !== IMPOSSIBLE) {
      const lower: Vertex = { place: gap, edges: [] };
      if (before) vertex.edges.push({ to: before, step: down });
      vertex.edges.push({ to: lower, step: down });
      this.#vertices.push(lower);
    }
    this.#vertices.push(vertex);
  }

  #jumps(info: VersionInfo<string>): void {
    const vertex = this.#vertices.find(({ place }) => place instanceof ExtendedVersion && place.equals(parsed(info)))!;
    for (const [text, { up, down }] of Object.entries(info.options.migrations.other ?? {})) {
      const range = VersionRange.parse(text);
      const versions = this.#vertices.filter((v) => v !== vertex && v.place instanceof ExtendedVersion && overlaps(v.place, range));
      const rest: Vertex = { place: range, edges: [] };
      this.#vertices.push(rest);
      for (const one of [...versions, rest]) {
        if (up) one.edges.push({ to: vertex, step: up });
        if (down) vertex.edges.push({ to: one, step: down });
      }
    }
  }

  // The fewest edges from a version of one place to one of another.
  #path(from: Place, to: Place): { to: Vertex; step: Step | undefined }[] | undefined {
    const starts = this.#starts(from);
    const seen = new Map<Vertex, { by: { to: Vertex; step: Step | undefined }; from: Vertex } | undefined>(starts.map((v) => [v, undefined]));
    for (const vertex of seen.keys()) {
      if (overlaps(vertex.place, to)) {
        const path = [];
        for (let at = seen.get(vertex); at; at = seen.get(at.from)) path.unshift(at.by);
        return path;
      }
      for (const edge of vertex.edges) if (!seen.has(edge.to)) seen.set(edge.to, { by: edge, from: vertex });
    }
    return undefined;
  }

  // Where data of a version, or of one of a range of versions, are. A listed version is before the gaps that a range meets.
  #starts(from: Place): Vertex[] {
    const met = this.#vertices.filter((v) => overlaps(v.place, from));
    return [...met.filter((v) => v.place instanceof ExtendedVersion), ...met.filter((v) => v.place instanceof VersionRange)];
  }

  /** Takes data from a version to another, and gives where they are then. */
  async migrate({ effects, from, to, progress = new FullProgressTracker() }: { effects: Effects; from: Place; to: Place; progress?: FullProgressTracker }): Promise<Place> {
    const path = this.#path(from, to);
    if (!path) throw new Error(`cannot migrate from ${from} to ${to}`);
    let at = from;
    for (const { to: next, step } of path) {
      if (step) await step({ effects, progress });
      at = next.place;
      await setDataVersion(effects, at);
    }
    return at;
  }

  /** The versions from whose data the current one can be reached, and the current one. */
  canMigrateFrom = (): VersionRange => this.#reachable((vertex, current) => this.#connected(vertex, current));

  /** The versions whose data can be made of the current one's, and the current one. */
  canMigrateTo = (): VersionRange => this.#reachable((vertex, current) => this.#connected(current, vertex));

  #reachable(is: (vertex: Vertex, current: Vertex) => boolean): VersionRange {
    const current = this.#vertices.find(({ place }) => place instanceof ExtendedVersion && place.equals(this.currentVersion()))!;
    const places = this.#vertices.filter((vertex) => vertex === current || is(vertex, current)).map(({ place }) => place);
    return places
      .map((place) => (place instanceof ExtendedVersion ? VersionRange.anchor("=", place) : place))
      .reduce((all, one) => all.or(one), VersionRange.none())
      .normalize();
  }

  #connected(from: Vertex, to: Vertex): boolean {
    const seen = new Set([from]);
    for (const vertex of seen) for (const { to: next } of vertex.edges) seen.add(next);
    return seen.has(to);
  }

  async init(effects: Effects, _kind?: InitKind, progress?: FullProgressTracker): Promise<void> {
    const from = await getDataVersion(effects);
    const to = this.currentVersion();
    if (from && !(from instanceof ExtendedVersion && from.equals(to))) await this.migrate({ effects, from, to, ...(progress ? { progress } : {}) });
    await setDataVersion(effects, to);
  }

  async uninit(effects: Effects, target: Target): Promise<void> {
    if (target === null) {
      await setDataVersion(effects, null);
      return;
    }
    const from = await getDataVersion(effects);
    // An own copy's target is taken as it is; a foreign one is read again by its text.
    if (from && !overlaps(from, target)) await this.migrate({ effects, from, to: own(target) });
  }
}

function parsed(info: VersionInfo<string>): ExtendedVersion {
  return ExtendedVersion.parse(info.options.version);
}
