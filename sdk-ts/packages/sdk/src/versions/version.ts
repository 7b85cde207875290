/** Greater, equal or less, seen from the left. */
export type Order = "greater" | "equal" | "less";

const version = /^(\d+(?:\.\d+)*)(?:-((?:\d+|[A-Za-z]+)(?:\.?(?:\d+|[A-Za-z]+))*))?$/;

function named(order: number): Order {
  return order > 0 ? "greater" : order < 0 ? "less" : "equal";
}

function comparePart(a: string | number | undefined, b: string | number | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a < b ? -1 : 1;
}

/**
 * A plain version: numbers, and the parts of what comes before a release, as in 1.2.0-rc.1. Immutable.
 * @example
 * assert.equal(Version.parse("1.10.0").compare(Version.parse("1.9.0")), "greater");
 */
export class Version {
  constructor(
    public number: number[],
    public prerelease: (string | number)[],
  ) {}

  /** Reads a version, or throws. */
  static parse(text: string): Version {
    const found = version.exec(text);
    if (!found) throw new Error(`cannot parse version ${JSON.stringify(text)}`);
    const parts = (found[2]?.match(/\d+|[A-Za-z]+/g) ?? []).map((part) => (/^\d/.test(part) ? Number(part) : part));
    return new Version(found[1]!.split(".").map(Number), parts);
  }

  toString(): string {
    return this.number.join(".") + (this.prerelease.length > 0 ? `-${this.prerelease.join(".")}` : "");
  }

  /** Numbers first, where missing ones count as 0; a release is greater than what comes before it. */
  compare(other: Version): Order {
    return named(this.compareForSort(other));
  }

  compareForSort(other: Version): -1 | 0 | 1 {
    for (let i = 0; i < Math.max(this.number.length, other.number.length); i++) {
      const order = (this.number[i] ?? 0) - (other.number[i] ?? 0);
      if (order !== 0) return order < 0 ? -1 : 1;
    }
    const [a, b] = [this.prerelease, other.prerelease];
    if (a.length === 0 || b.length === 0) return a.length === b.length ? 0 : a.length === 0 ? 1 : -1;
    for (let i = 0; i < Math.max(a.length, b.length); i++) {
      const order = comparePart(a[i], b[i]);
      if (order !== 0) return order < 0 ? -1 : 1;
    }
    return 0;
  }

  /** Whether it lies in a range, as the upstream version with downstream 0. */
  satisfies(range: { satisfiedBy(version: Version | ExtendedVersion): boolean }): boolean {
    return range.satisfiedBy(this);
  }
}

/**
 * A version of a package, [#flavor:]upstream:downstream. Downstream counts the packager's own changes; versions of
 * different flavors cannot be compared. Immutable.
 * @example
 * const version = ExtendedVersion.parse("28.1:2");
 * assert.ok(version.greaterThan(ExtendedVersion.parse("28.1:1")));
 * assert.ok(version.satisfies(VersionRange.parse("^28.1:0")));
 */
export class ExtendedVersion {
  constructor(
    public flavor: string | null,
    public upstream: Version,
    public downstream: Version,
  ) {}

  /** Reads an extended version, or throws; the downstream part must be there. */
  static parse(text: string): ExtendedVersion {
    const found = /^(?:#([a-z]*):)?([^:#]+):([^:#]+)$/.exec(text);
    if (!found) throw new Error(`cannot parse the version of a package ${JSON.stringify(text)}: it is UPSTREAM:DOWNSTREAM, as 1.0.0:0`);
    return new ExtendedVersion(found[1] || null, Version.parse(found[2]!), Version.parse(found[3]!));
  }

  /** Reads the versions of packages of before: 1.2.3.4, whose fourth number is the downstream part. */
  static parseEmver(text: string): ExtendedVersion {
    const found = /^(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.(\d+))?(-[0-9A-Za-z.]+)?$/.exec(text);
    if (!found) throw new Error(`cannot parse the version ${JSON.stringify(text)}`);
    const [major, minor, patch, revision] = found.slice(1, 5).map((part) => Number(part ?? 0));
    return new ExtendedVersion(null, new Version([major!, minor!, patch!], Version.parse(`0${found[5] ?? ""}`).prerelease), new Version([revision!], []));
  }

  toString(): string {
    return `${this.flavor === null ? "" : `#${this.flavor}:`}${this.upstream}:${this.downstream}`;
  }

  /** The order within one flavor; null between two. */
  compare(other: ExtendedVersion): Order | null {
    return this.flavor === other.flavor ? named(this.compareNumbers(other)) : null;
  }

  /** A total order: flavors by name, no flavor after all of them. */
  compareLexicographic(other: ExtendedVersion): Order {
    if (this.flavor === other.flavor) return named(this.compareNumbers(other));
    if (this.flavor === null) return "greater";
    return other.flavor === null || this.flavor < other.flavor ? "less" : "greater";
  }

  compareForSort(other: ExtendedVersion): 1 | 0 | -1 {
    const order = this.compareLexicographic(other);
    return order === "greater" ? 1 : order === "less" ? -1 : 0;
  }

  /** The order of the numbers alone, whatever the flavors. */
  compareNumbers(other: ExtendedVersion): -1 | 0 | 1 {
    return this.upstream.compareForSort(other.upstream) || this.downstream.compareForSort(other.downstream);
  }

  greaterThan(other: ExtendedVersion): boolean {
    return this.compare(other) === "greater";
  }
  greaterThanOrEqual(other: ExtendedVersion): boolean {
    return ["greater", "equal"].includes(this.compare(other) as string);
  }
  equals(other: ExtendedVersion): boolean {
    return this.compare(other) === "equal";
  }
  lessThan(other: ExtendedVersion): boolean {
    return this.compare(other) === "less";
  }
  lessThanOrEqual(other: ExtendedVersion): boolean {
    return ["less", "equal"].includes(this.compare(other) as string);
  }

  /** The first version that a caret of this one does not hold: the first number that is not 0 goes up. */
  incrementMajor(): ExtendedVersion {
    return this.#raised(0);
  }

  /** The first version that a tilde of this one does not hold: the number after the first that is not 0 goes up. */
  incrementMinor(): ExtendedVersion {
    return this.#raised(1);
  }

  #raised(after: number): ExtendedVersion {
    const first = this.upstream.number.findIndex((n) => n !== 0);
    const at = (first < 0 ? this.upstream.number.length : first) + after;
    const numbers = this.upstream.number.map((n, i) => (i < at ? n : i === at ? n + 1 : 0));
    return new ExtendedVersion(this.flavor, new Version(numbers, []), new Version([0], []));
  }

  satisfies(range: { satisfiedBy(version: Version | ExtendedVersion): boolean }): boolean {
    return range.satisfiedBy(this);
  }
}

// Types that refuse text which is no version, when it is known to the compiler.
type Plain<T extends string> = T extends `-${string}` ? never : T extends `${infer A}-${string}` ? Plain<A> : T extends `${bigint}` ? unknown : T extends `${bigint}.${infer Rest}` ? Plain<Rest> : never;

/** unknown for the text of a plain version, else never. */
export type ValidateVersion<T extends string> = string extends T ? unknown : Plain<T>;

/** unknown for the text of an extended version, else never. */
export type ValidateExVer<T extends string> = string extends T
  ? unknown
  : T extends `#${string}:${infer Up}:${infer Down}`
    ? Plain<Up> & Plain<Down>
    : T extends `${infer Up}:${infer Down}`
      ? Plain<Up> & Plain<Down>
      : never;
