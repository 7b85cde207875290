/** The helpers that packages for StartOS know as `utils`. */
import { createHash } from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";
import type { Effects } from "../effects.js";
import { Watchable as Watched, type WatchOptions } from "../watch.js";
import type { RandomString } from "../form/spec.js";
import { randomText } from "../form/index.js";
import { deepEqual, isRecord } from "../values.js";

export { addressHostToUrl, filledAddress, filterNonLocal, mdnsResolvable } from "../addresses.js";
export type { Filled, FilledAddressInfo, FilledBindInfo, FilledHost, FilledServiceInterface, Filter, HostReader as GetHostInfo } from "../addresses.js";
export { FullProgressTracker, leafProgress, PhaseHandle, type LeafProgress } from "../progress.js";
export { AbortedError, asError, deepEqual, deepMerge, once } from "../values.js";
export * as regexes from "../regexes.js";
export * as Patterns from "../patterns.js";

/** A value that may change, for classes that say how it is read. */
export abstract class Watchable<Raw, Mapped = Raw> extends Watched<Raw, Mapped> {
  protected abstract readonly label: string;
  constructor(effects: Effects, options?: WatchOptions<Raw, Mapped>) {
    super(effects, null, options);
  }
  protected abstract override fetch(callback?: () => void): Promise<Raw>;
}

/** A text of a charset, or the text itself. */
export function getDefaultString(of: string | RandomString): string {
  return randomText(of);
}

/** null for an object without members that say anything. */
export function nullIfEmpty<T extends Record<string, any>>(value: null | T): T | null {
  return value === null || Object.values(value).every((member) => member === null || member === undefined) ? null : value;
}

export type NullToUndefined<T> = T extends null ? undefined : T extends Record<string, any> ? { [K in keyof T]: NullToUndefined<T[K]> } : T;
/** The value, where undefined stands for null, at any depth. */
export function nullToUndefined<T>(value: T): NullToUndefined<T> {
  if (value === null) return undefined as NullToUndefined<T>;
  if (!isRecord(value)) return value as NullToUndefined<T>;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, nullToUndefined(member)])) as NullToUndefined<T>;
}

/** The words of a command: a line is split at spaces that stand in no quotes. */
export function splitCommand(command: string | [string, ...string[]] | readonly [string, ...string[]]): string[] {
  return typeof command === "string" ? ["sh", "-c", command] : [...command];
}

/** What of a value is another than before; undefined when nothing is. */
export function partialDiff<T>(before: T, after: T): { diff: unknown } | undefined {
  if (deepEqual(before, after)) return undefined;
  if (!isRecord(before) || !isRecord(after)) return { diff: after };
  const changed = Object.keys(after).flatMap((key) => {
    const member = partialDiff(before[key], after[key]);
    return member ? [[key, member.diff] as const] : [];
  });
  return { diff: Object.fromEntries(changed) };
}

/** What a program printed, or an error of what it complained about. */
export async function stringFromStdErrOut({ stdout, stderr }: { stdout: string; stderr: string }): Promise<string> {
  if (stderr) throw new Error(stderr);
  return stdout;
}

const units: Record<string, number> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 0.001, µs: 0.001, ns: 0.000_001 };
/** Milliseconds of a text such as "1.5h" or "90s". */
export function inMs(time?: string | number): number | undefined {
  if (typeof time === "number" || time === undefined) return time;
  const found = /^\s*(-?\d*\.?\d+)\s*(d|h|ms|m|s|us|µs|ns)\s*$/.exec(time);
  if (!found) throw new Error(`invalid time format: ${time}`);
  return Math.round(Number(found[1]) * units[found[2]!]!);
}

const logged = new Set<string>();
/** Logs an error once, by its text. */
export function logErrorOnce(err: unknown): void {
  const key = createHash("sha256").update(String(err)).digest("hex");
  if (logged.has(key)) return;
  logged.add(key);
  console.error(err);
}

/** An address of the internet protocol. */
export class IpAddress {
  private constructor(readonly address: string) {}
  static parse(address: string): IpAddress {
    if (!isIPv4(address) && !isIPv6(address)) throw new Error(`not an IP address: ${address}`);
    return new IpAddress(address);
  }
  isIpv4(): boolean {
    return isIPv4(this.address);
  }
  isIpv6(): boolean {
    return isIPv6(this.address);
  }
  toString(): string {
    return this.address;
  }
}
