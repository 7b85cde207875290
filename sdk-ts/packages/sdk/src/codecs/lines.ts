import { deepEqual, isRecord } from "../values.js";

/** How a file of lines is read: tables, and in them a key and a value a line. */
export interface Grammar {
  /** The path of the table that a line begins; null when it begins none, undefined when what it begins is left as it is. */
  table(line: string): string[] | null | undefined;
  /** The key of a line, what stands before its value, the value, and what stands behind it. */
  entry(line: string): { key: string[]; head: string; value: string; tail: string } | null;
  /** A value as it is written on a line, in the place of what stood there; null when it is none. */
  write(value: unknown, old?: string): string | null;
  /** The lines that begin a table and give a key its value. */
  header(path: string[]): string;
  assign(key: string, value: string): string;
  /** The lines of a list, of which each item has one; null when it is none. Where lists have lines of their own. */
  list?(key: string, items: unknown[]): string[] | null;
}

/**
 * Changes in a text what is another value, and leaves every other line as it is, comments too. Null when that cannot be said
 * in lines; the caller looks whether what comes out is what it wanted.
 */
export function patchLines(text: string, before: unknown, after: unknown, grammar: Grammar): string | null {
  if (!isRecord(before) || !isRecord(after)) return null;
  const lines: (string | null)[] = text.replace(/\n$/, "").split("\n");
  // The last line of each table, and the values that have one.
  const ends = new Map<string, number>([["[]", -1]]);
  const seen = new Set<string>();
  let table: string[] | null = [];
  for (const [i, line] of lines.entries()) {
    if (line === null) continue;
    const next = grammar.table(line);
    if (next !== null) {
      table = next ?? null;
      if (table) ends.set(JSON.stringify(table), i);
      if (table && isRecord(at(before, table)) && at(after, table) === undefined) lines[i] = null;
      continue;
    }
    const entry = grammar.entry(line);
    if (!entry || !table) continue;
    const path = [...table, ...entry.key];
    const [old, wanted] = [at(before, path), at(after, path)];
    const first = !seen.has(JSON.stringify(path));
    seen.add(JSON.stringify(path));
    ends.set(JSON.stringify(table), i);
    if (deepEqual(old, wanted)) continue;
    if (wanted === undefined) lines[i] = null;
    else if (grammar.list && (Array.isArray(old) || Array.isArray(wanted))) {
      // What was a list, or becomes one, stands where its first item stood.
      const made = first ? written(entry.key.at(-1)!, wanted, grammar) : [];
      if (made === null) return null;
      lines[i] = made.length > 0 ? made.join("\n") : null;
    } else {
      const text = grammar.write(wanted, entry.value);
      if (text === null) return null;
      lines[i] = `${entry.head}${text}${entry.tail}`;
    }
  }
  return added(lines, before, after, { ends, seen }, grammar);
}

function added(lines: (string | null)[], before: unknown, after: Record<string, unknown>, { ends, seen }: { ends: Map<string, number>; seen: Set<string> }, grammar: Grammar): string | null {
  const behind = new Map<number, string[]>();
  const tail: string[] = [];
  const headed = new Set<string>();
  for (const { path, value } of leaves(after, [])) {
    if (seen.has(JSON.stringify(path)) || deepEqual(at(before, path), value)) continue;
    const table = path.slice(0, -1);
    const id = JSON.stringify(table);
    const made = written(path.at(-1)!, value, grammar);
    if (made === null) return null;
    const end = ends.get(id);
    if (end !== undefined) behind.set(end, [...(behind.get(end) ?? []), ...made]);
    else {
      if (!headed.has(id)) tail.push("", grammar.header(table));
      headed.add(id);
      tail.push(...made);
    }
  }
  const all = [...(behind.get(-1) ?? []), ...lines.flatMap((line, i) => [...(line === null ? [] : [line]), ...(behind.get(i) ?? [])]), ...tail];
  return `${all.join("\n").replace(/^\n+/, "")}\n`;
}

function written(key: string, value: unknown, grammar: Grammar): string[] | null {
  if (Array.isArray(value) && grammar.list) return grammar.list(key, value);
  const text = grammar.write(value);
  return text === null ? null : [grammar.assign(key, text)];
}

function at(value: unknown, path: string[]): unknown {
  let here: unknown = value;
  for (const key of path) {
    if (!isRecord(here) || !Object.hasOwn(here, key)) return undefined;
    here = here[key];
  }
  return here;
}

function* leaves(value: Record<string, unknown>, path: string[]): Generator<{ path: string[]; value: unknown }> {
  for (const [key, inner] of Object.entries(value)) {
    if (isRecord(inner)) yield* leaves(inner, [...path, key]);
    else if (inner !== undefined) yield { path: [...path, key], value: inner };
  }
}
