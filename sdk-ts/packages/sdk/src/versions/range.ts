import { ExtendedVersion, Version } from "./version.js";

export type Operator = ">=" | "<=" | ">" | "<" | "=" | "!=" | "^" | "~";
type Anchor = { type: "Anchor"; operator: Operator; version: ExtendedVersion };
type Atom =
  | Anchor
  | { type: "And" | "Or"; left: VersionRange; right: VersionRange }
  | { type: "Not"; value: VersionRange }
  | { type: "Any" }
  | { type: "None" }
  | { type: "Flavor"; flavor: string | null };

// A place among the versions of one flavor: a version, or the gap before or behind it. other is a flavor that no range names.
type Flavor = string | null | { other: true };
type Place = { flavor: Flavor; version: ExtendedVersion; side: -1 | 0 | 1 };

/**
 * A set of versions, written as an expression such as ">=1.2:0 && <2:0 || #knots". Immutable.
 * @example
 * const range = VersionRange.parse(">=1.0:0 && <2.0:0");
 * assert.ok(range.satisfiedBy(ExtendedVersion.parse("1.5:0")));
 * assert.ok(!range.intersects(VersionRange.parse(">=2.0:0")));
 */
export class VersionRange {
  constructor(public atom: Atom) {}

  /** Reads a range, or throws. Ranges side by side join by "and"; "and" and "or" bind alike, from the left. */
  static parse(text: string): VersionRange {
    if (text.length > 4096) throw new Error("cannot parse a range of versions so long");
    return new Reader(text).all();
  }

  /** Reads a range whose versions are like 1.2.3.4. */
  static parseEmver(text: string): VersionRange {
    return new Reader(text, ExtendedVersion.parseEmver).all();
  }

  static anchor(operator: Operator, version: ExtendedVersion): VersionRange {
    return new VersionRange({ type: "Anchor", operator, version });
  }
  static flavor(flavor: string | null): VersionRange {
    return new VersionRange({ type: "Flavor", flavor });
  }
  static any(): VersionRange {
    return new VersionRange({ type: "Any" });
  }
  static none(): VersionRange {
    return new VersionRange({ type: "None" });
  }
  static and(...ranges: VersionRange[]): VersionRange {
    return ranges.reduceRight((right, left) => left.and(right), VersionRange.any());
  }
  static or(...ranges: VersionRange[]): VersionRange {
    return ranges.reduceRight((right, left) => left.or(right), VersionRange.none());
  }

  and(right: VersionRange): VersionRange {
    if (this.atom.type === "Any" || right.atom.type === "None") return right;
    if (this.atom.type === "None" || right.atom.type === "Any") return this;
    return new VersionRange({ type: "And", left: this, right });
  }
  or(right: VersionRange): VersionRange {
    if (this.atom.type === "None" || right.atom.type === "Any") return right;
    if (this.atom.type === "Any" || right.atom.type === "None") return this;
    return new VersionRange({ type: "Or", left: this, right });
  }
  not(): VersionRange {
    return new VersionRange({ type: "Not", value: this });
  }

  toString(): string {
    const { atom } = this;
    switch (atom.type) {
      case "Anchor":
        return atom.operator + atom.version;
      case "And":
      case "Or":
        return `${atom.left.toStringParens(atom.type)} ${atom.type === "And" ? "&&" : "||"} ${atom.right.toStringParens(atom.type)}`;
      case "Not":
        return `!${atom.value.toStringParens("Not")}`;
      case "Any":
        return "*";
      case "None":
        return "!";
      case "Flavor":
        return `#${atom.flavor ?? ""}`;
    }
  }

  /** The text as part of another expression. */
  toStringParens(parent: "And" | "Or" | "Not"): string {
    const { type } = this.atom;
    const alone = type === "And" || type === "Or" ? type === parent : type === "Not" || type === "Flavor" || parent !== "Not";
    return alone ? this.toString() : `(${this.toString()})`;
  }

  /** Whether a version lies in the range; a plain one counts as its upstream part with downstream 0. */
  satisfiedBy(version: Version | ExtendedVersion): boolean {
    const whole = version instanceof ExtendedVersion || "upstream" in version ? (version as ExtendedVersion) : new ExtendedVersion(null, version, new Version([0], []));
    return this.holds({ flavor: whole.flavor, version: whole, side: 0 });
  }

  /** Whether any version can lie in the range; between two versions there is always another. */
  satisfiable(): boolean {
    return this.#places().some((place) => this.holds(place));
  }

  /** Whether a version lies in both ranges. */
  intersects(other: VersionRange): boolean {
    return this.and(other).satisfiable();
  }

  /** A range of the same versions, written as stretches of each flavor. */
  normalize(): VersionRange {
    if (!this.satisfiable()) return VersionRange.none();
    if (!this.not().satisfiable()) return VersionRange.any();
    const flavors = this.#flavors();
    const rows = flavors.map((flavor) => this.#stretches(flavor));
    if (this.holds({ flavor: { other: true }, version: zero, side: 0 })) {
      rows.push(flavors.map((flavor) => VersionRange.flavor(flavor).not()).reduce((all, one) => all.and(one), VersionRange.any()));
    }
    return rows.reduce((all, row) => all.or(row), VersionRange.none());
  }

  /** Whether a place lies in the range. */
  holds(place: Place): boolean {
    const { atom } = this;
    switch (atom.type) {
      case "Any":
        return true;
      case "None":
        return false;
      case "Flavor":
        return place.flavor === atom.flavor;
      case "Not":
        return !atom.value.holds(place);
      case "And":
        return atom.left.holds(place) && atom.right.holds(place);
      case "Or":
        return atom.left.holds(place) || atom.right.holds(place);
      case "Anchor":
        return anchored(atom, place);
    }
  }

  #anchors(): ExtendedVersion[] {
    const { atom } = this;
    if (atom.type === "And" || atom.type === "Or") return [...atom.left.#anchors(), ...atom.right.#anchors()];
    if (atom.type === "Not") return atom.value.#anchors();
    if (atom.type !== "Anchor") return [];
    if (atom.operator === "^") return [atom.version, atom.version.incrementMajor()];
    if (atom.operator === "~") return [atom.version, atom.version.incrementMinor()];
    return [atom.version];
  }

  #flavors(): (string | null)[] {
    const { atom } = this;
    if (atom.type === "And" || atom.type === "Or") return [...new Set([...atom.left.#flavors(), ...atom.right.#flavors()])];
    if (atom.type === "Not") return atom.value.#flavors();
    if (atom.type === "Flavor") return [atom.flavor];
    return atom.type === "Anchor" ? [atom.version.flavor] : [];
  }

  // Places that no range of these anchors can tell from the others of their kind.
  #places(): Place[] {
    const anchors = [zero, ...this.#anchors()];
    const flavors: Flavor[] = [...this.#flavors(), { other: true }];
    return flavors.flatMap((flavor) => anchors.flatMap((version) => ([-1, 0, 1] as const).map((side) => ({ flavor, version, side }))));
  }

  #stretches(flavor: string | null): VersionRange {
    const bounds = this.#anchors().filter((v) => v.flavor === flavor).sort((a, b) => a.compareNumbers(b));
    const distinct = bounds.filter((v, i) => i === 0 || v.compareNumbers(bounds[i - 1]!) !== 0);
    if (distinct.length === 0) return this.holds({ flavor, version: zero, side: 0 }) ? VersionRange.flavor(flavor) : VersionRange.none();
    // The cuts lie just before and just behind each bound; the stretch behind a cut begins with it.
    const cuts = distinct.flatMap((version) => [{ version, side: -1 as const }, { version, side: 1 as const }]);
    const inside = [this.holds({ flavor, version: distinct[0]!, side: -1 }), ...cuts.map(({ version, side }) => this.holds({ flavor, version, side: side === -1 ? 0 : 1 }))];
    const parts: VersionRange[] = [];
    let from: (typeof cuts)[number] | undefined;
    let open = inside[0]!;
    if (inside.every(Boolean)) return VersionRange.flavor(flavor);
    for (let i = 0; i <= cuts.length; i++) {
      const cut = cuts[i];
      const next = cut ? inside[i + 1]! : false;
      if (open && !next) parts.push(stretch(from, cut));
      if (!open && next) from = cut;
      open = next;
    }
    return parts.reduce((all, one) => all.or(one), VersionRange.none());
  }
}

type Cut = { version: ExtendedVersion; side: -1 | 1 };

function stretch(from: Cut | undefined, to: Cut | undefined): VersionRange {
  if (from && to && from.version.compareNumbers(to.version) === 0) return VersionRange.anchor("=", from.version);
  const low = from ? VersionRange.anchor(from.side === -1 ? ">=" : ">", from.version) : VersionRange.any();
  return low.and(to ? VersionRange.anchor(to.side === -1 ? "<" : "<=", to.version) : VersionRange.any());
}

const zero = new ExtendedVersion(null, new Version([0], []), new Version([0], []));

function anchored({ operator, version }: Anchor, place: Place): boolean {
  if (place.flavor !== version.flavor) return operator === "!=";
  const order = place.version.compareNumbers(version) || place.side;
  switch (operator) {
    case ">=":
      return order >= 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case "<":
      return order < 0;
    case "=":
      return order === 0;
    case "!=":
      return order !== 0;
    case "^":
      return order >= 0 && (place.version.compareNumbers(version.incrementMajor()) || place.side) < 0;
    case "~":
      return order >= 0 && (place.version.compareNumbers(version.incrementMinor()) || place.side) < 0;
  }
}

const number = /\d+(?:\.\d+)*(?:-(?:\d+|[A-Za-z]+)(?:\.?(?:\d+|[A-Za-z]+))*)?/y;

class Reader {
  #at = 0;
  #depth = 0;

  constructor(
    readonly text: string,
    readonly emver?: (text: string) => ExtendedVersion,
  ) {}

  all(): VersionRange {
    const range = this.#range();
    if (this.#at < this.text.length) throw this.#refused();
    return range;
  }

  #refused(): Error {
    return new Error(`cannot parse the range of versions ${JSON.stringify(this.text.slice(0, 80))} at ${this.#at}`);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    const sticky = new RegExp(pattern.source, "y");
    sticky.lastIndex = this.#at;
    const found = sticky.exec(this.text);
    if (found) this.#at = sticky.lastIndex;
    return found;
  }

  #range(): VersionRange {
    if (++this.#depth > 128) throw new Error("cannot parse a range of versions so deep");
    this.#match(/\s*/);
    let range = this.#atom();
    if (!range) throw this.#refused();
    for (;;) {
      const back = this.#at;
      const join = this.#match(/\s*(&&|\|\|)?\s*/)![1];
      const right = this.#atom();
      if (!right) {
        if (join) throw this.#refused();
        this.#at = back;
        break;
      }
      range = new VersionRange({ type: join === "||" ? "Or" : "And", left: range, right });
    }
    this.#match(/\s*/);
    this.#depth--;
    return range;
  }

  #atom(): VersionRange | undefined {
    if (this.#match(/\*/)) return VersionRange.any();
    if (this.#match(/\(/)) {
      const inner = this.#range();
      if (!this.#match(/\)/)) throw this.#refused();
      return inner;
    }
    const anchor = this.#anchor();
    if (anchor) return anchor;
    if (!this.#match(/!/)) return undefined;
    const back = this.#at;
    this.#match(/\s*/);
    const value = this.#atom();
    if (value) return new VersionRange({ type: "Not", value });
    this.#at = back;
    return VersionRange.none();
  }

  #anchor(): VersionRange | undefined {
    const back = this.#at;
    const operator = this.#match(/(>=|<=|>|<|=|!=|\^|~)\s*/)?.[1] as Operator | undefined;
    const flavor = this.#match(/#([a-z]*)/);
    const named = flavor !== null && this.#match(/:(?=\d)/);
    const up = flavor && !named ? null : this.#match(number);
    if (up) {
      const down = this.emver ? undefined : this.#match(/:(?=\d)/) && this.#match(number);
      const version = this.emver?.(up[0]) ?? new ExtendedVersion(flavor?.[1] || null, Version.parse(up[0]), Version.parse(down?.[0] ?? "0"));
      return VersionRange.anchor(operator ?? "^", version);
    }
    if (flavor && !operator) return VersionRange.flavor(flavor[1]!);
    this.#at = back;
    return undefined;
  }
}

// Types that refuse text which is no range, when it is known to the compiler.
type Delimiter = " " | "&" | "|" | ")" | "(";
type Token<S extends string, Read extends string = ""> = S extends `${infer C}${infer Rest}` ? (C extends Delimiter ? [Read, S] : Token<Rest, `${Read}${C}`>) : [Read, ""];
type Digits<T extends string> = T extends `-${string}` ? never : T extends `${infer A}-${string}` ? Digits<A> : T extends `${bigint}` ? unknown : T extends `${bigint}.${infer R}` ? Digits<R> : never;
type Spec<T extends string> = T extends `#${string}:${infer Up}:${infer Down}`
  ? Digits<Up> & Digits<Down>
  : T extends `#${string}:${infer Up}`
    ? Digits<Up>
    : T extends `#${string}`
      ? unknown
      : T extends `${infer Up}:${infer Down}`
        ? Digits<Up> & Digits<Down>
        : Digits<T>;
type Checked<S extends string> = Token<S> extends [infer T extends string, infer Rest extends string] ? ([Spec<T>] extends [never] ? never : Expression<Rest>) : never;
type Bare<S extends string> = S extends `${">=" | "<=" | "!="}${infer R}` ? Checked<Left<R>> : S extends `${">" | "<" | "=" | "^" | "~"}${infer R}` ? Checked<Left<R>> : Checked<S>;
type Left<S extends string> = S extends ` ${infer R}` ? Left<R> : S;
type Expression<S extends string> = Left<S> extends ""
  ? unknown
  : Left<S> extends `${"&&" | "||" | "(" | ")" | "*"}${infer R}`
    ? Expression<R>
    : Left<S> extends `!=${string}`
      ? Bare<Left<S>>
      : Left<S> extends `!${infer R}`
        ? Expression<R>
        : Bare<Left<S>>;

/** unknown for the text of a range, else never. */
export type ValidateExVerRange<T extends string> = string extends T ? unknown : Expression<T>;
