import { deepEqual, isRecord } from "../values.js";
import type { Codec } from "./codec.js";

/** JSON, indented as it was. What does not change stays to the letter, also numbers that JavaScript cannot hold. */
export const jsonCodec: Codec = {
  decode: (text) => JSON.parse(text) as unknown,
  encode: (value, before) => {
    const indent = before === undefined ? "  " : (/^\s*[[{]\s*\n([ \t]+)/.exec(before)?.[1] ?? (before.includes("\n") ? "  " : ""));
    const old = before === undefined ? undefined : parsed(before);
    if (before === undefined || !old) return JSON.stringify(value, null, indent) + (before === undefined || before.endsWith("\n") ? "\n" : "");
    const root = placed(before);
    return before.slice(0, root.start) + print(before, indent, root, old.value, value, 0) + before.slice(root.end);
  },
};

function parsed(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined; // what is there is no JSON, and is replaced
  }
}

/** Where a value stands in a text, and what is in it by name or number; of members of one name the last counts. */
interface Place {
  start: number;
  end: number;
  inner: Map<string | number, Place>;
}

const token = /[\s,:]*(?:"(?:[^"\\]|\\.)*"|[^\s,:[\]{}"]+|[[\]{}])/y;

/** Finds the places of all values of a text that is JSON. */
function placed(text: string): Place {
  const root: Place = { start: 0, end: text.length, inner: new Map() };
  const open: { place: Place; list: boolean; name?: string | undefined }[] = [];
  for (token.lastIndex = 0; ; ) {
    const [found] = token.exec(text) ?? [];
    if (found === undefined) return root;
    const end = token.lastIndex;
    const word = found.replace(/^[\s,:]+/, "");
    const holder = open.at(-1);
    if (word === "]" || word === "}") open.pop()!.place.end = end;
    else if (holder && !holder.list && holder.name === undefined) holder.name = JSON.parse(word) as string;
    else {
      const place: Place = holder ? { start: end - word.length, end, inner: new Map() } : Object.assign(root, { start: end - word.length, end });
      holder?.place.inner.set(holder.list ? holder.place.inner.size : holder.name!, place);
      if (holder) holder.name = undefined;
      if (word === "[" || word === "{") open.push({ place, list: word === "[" });
    }
  }
}

/** Writes a value: what equals the old one as it stands in the text, the rest anew. */
function print(text: string, indent: string, place: Place | undefined, old: unknown, value: unknown, depth: number): string {
  if (place && deepEqual(old, value)) return text.slice(place.start, place.end);
  const inner = `\n${indent.repeat(depth + 1)}`;
  const around = (open: string, items: string[], close: string) =>
    items.length === 0 ? open + close : indent === "" ? open + items.join(",") + close : `${open}${inner}${items.join(`,${inner}`)}\n${indent.repeat(depth)}${close}`;
  const within = (key: string | number, now: unknown) => print(text, indent, place?.inner.get(key), isRecord(old) || Array.isArray(old) ? (Object.hasOwn(old, key) ? (old as Record<string | number, unknown>)[key] : undefined) : undefined, now, depth + 1);
  if (isRecord(value) && isRecord(old)) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return around("{", members.map(([key, now]) => `${JSON.stringify(key)}:${indent === "" ? "" : " "}${within(key, now)}`), "}");
  }
  if (Array.isArray(value) && Array.isArray(old)) return around("[", value.map((now: unknown, i) => within(i, now)), "]");
  return (JSON.stringify(value, null, indent) ?? "null").replaceAll("\n", `\n${indent.repeat(depth)}`);
}
