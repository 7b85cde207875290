import { deepEqual, isRecord } from "../values.js";

/** How a file of lines is read: tables, and in them a key and a value a line. */
export interface Grammar {
  /** The path of the table that a line begins; null when it begins none, undefined when what it begins is left as it is. */
  table(line: string): string[] | null | undefined;
  /** The key of a line, what stands before its value, the value, and what stands behind it. */
  entry(line: string): { key: string[]; head: string; value: string; tail: string } | null;
  /** A value as it is written on a line; null when it is none. */
  write(value: unknown): string | null;
  /** The lines that begin a table and give a key its value. */
  header(path: string[]): string;
  assign(key: string, value: string): string;
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
    seen.add(JSON.stringify(path));
    ends.set(JSON.stringify(table), i);
    if (deepEqual(old, wanted)) continue;
    if (wanted === undefined) lines[i] = null;
    else {
      const written = grammar.write(wanted);
      if (written === null) return null;
      lines[i] = `${entry.head}${written}${entry.tail}`;
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
    const written = grammar.write(value);
    const table = path.slice(0, -1);
    const id = JSON.stringify(table);
    if (written === null) return null;
    const line = grammar.assign(path.at(-1)!, written);
    const end = ends.get(id);
    if (end !== undefined) behind.set(end, [...(behind.get(end) ?? []), line]);
    else {
      if (!headed.has(id)) tail.push("", grammar.header(table));
      headed.add(id);
      tail.push(line);
    }
  }
  const all = [...(behind.get(-1) ?? []), ...lines.flatMap((line, i) => [...(line === null ? [] : [line]), ...(behind.get(i) ?? [])]), ...tail];
  return `${all.join("\n").replace(/^\n+/, "")}\n`;
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
