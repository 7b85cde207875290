import * as TOML from "smol-toml";
import { deepEqual, isRecord } from "../values.js";
import type { Codec } from "./codec.js";
import { patchLines, type Grammar } from "./lines.js";

// Integers that JavaScript's numbers cannot hold are BigInt.
const parse = (text: string) => TOML.parse(text, { integersAsBigInt: "asNeeded" });
const stringify = (value: unknown, old?: unknown) => TOML.stringify(typed(value, old) as Record<string, unknown>, { numbersAsFloat: true }).trimEnd();

/**
 * TOML. Comments, and the order and look of what does not change, stay where tables hold their values a line each. A number with
 * a point stays one with a point, whatever its value.
 */
export const tomlCodec: Codec = {
  decode: parse,
  encode: (value, before) => {
    if (before === undefined) return `${stringify(value)}\n`;
    let made: string | undefined;
    try {
      made = `${stringify(value, TOML.parse(before, { integersAsBigInt: true }))}\n`;
      const patched = patchLines(before, parse(before), value, grammar);
      if (patched !== null && deepEqual(parse(patched), parse(made))) return patched;
    } catch {
      // What was there is no TOML, or not such that it can be changed by lines.
    }
    return made ?? `${stringify(value)}\n`;
  },
};

/** Makes BigInt of what is to be written without a point: every whole number that had none in its place. */
function typed(value: unknown, old: unknown): unknown {
  if (typeof value === "number") return Number.isSafeInteger(value) && typeof old !== "number" ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map((item, i) => typed(item, Array.isArray(old) ? old[i] : undefined));
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, typed(inner, isRecord(old) && Object.hasOwn(old, key) ? old[key] : undefined)]));
}

const bare = `[A-Za-z0-9_-]+|"(?:[^"\\\\]|\\\\.)*"|'[^']*'`;
const keys = `(?:${bare})(?:\\s*\\.\\s*(?:${bare}))*`;
const tableLine = new RegExp(`^\\s*\\[\\s*(${keys})\\s*\\]\\s*(?:#.*)?$`);
const entryLine = new RegExp(`^(\\s*(${keys})\\s*=\\s*)(.*)$`);
const quoted = (key: string) => (/^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key));

// The keys of a path, as TOML itself reads them.
function pathOf(text: string): string[] {
  const path: string[] = [];
  for (let at: unknown = TOML.parse(`${text} = 0`); typeof at === "object" && at !== null; ) {
    const [key] = Object.keys(at);
    path.push(key!);
    at = (at as Record<string, unknown>)[key!];
  }
  return path;
}

const grammar: Grammar = {
  table: (line) => {
    if (/^\s*\[\[/.test(line)) return undefined;
    const found = tableLine.exec(line);
    return found ? pathOf(found[1]!) : null;
  },
  entry: (line) => {
    const found = entryLine.exec(line);
    if (!found) return null;
    const [, head, key, rest] = found;
    const value = valueOf(rest!);
    return value === null ? null : { key: pathOf(key!), head: head!, value, tail: rest!.slice(value.length) };
  },
  write: (value, old) => {
    const line = stringify({ x: value }, old === undefined ? undefined : TOML.parse(`x = ${old}`, { integersAsBigInt: true }));
    return line.startsWith("x = ") && !line.includes("\n") ? line.slice(4) : null;
  },
  header: (path) => `[${path.map(quoted).join(".")}]`,
  assign: (key, value) => `${quoted(key)} = ${value}`,
};

// The value at the beginning of a line, before a comment; null when it does not end on it.
function valueOf(rest: string): string | null {
  for (let end = rest.indexOf("#"); ; end = rest.indexOf("#", end + 1)) {
    const value = (end < 0 ? rest : rest.slice(0, end)).trimEnd();
    if (parses(value)) return value;
    if (end < 0) return null;
  }
}

function parses(value: string): boolean {
  try {
    parse(`x = ${value}`);
    return true;
  } catch {
    return false;
  }
}
