import { XMLBuilder, XMLParser, type X2jOptions, type XmlBuilderOptions } from "fast-xml-parser";
import { deepEqual, isRecord } from "../values.js";
import type { Codec } from "./codec.js";

export interface XmlOptions {
  parser?: X2jOptions;
  builder?: XmlBuilderOptions;
}

/** Texts that are written as JavaScript writes the number are numbers; "007" and "1.10" are none. */
export const plainNumbers: X2jOptions = {
  parseTagValue: false,
  tagValueProcessor: (_tag, text) => (text !== "" && String(Number(text)) === text ? Number(text) : text === "true" ? true : text === "false" ? false : text),
};

/** XML. What does not change stays, with its comments, order and look. */
export function xmlCodec(options: XmlOptions = {}): Codec {
  const parser = { ignoreAttributes: false, ...options.parser };
  const builder = { ignoreAttributes: false, format: true, suppressBooleanAttributes: false, ...options.builder };
  const decode = (text: string) => new XMLParser(parser).parse(text) as unknown;
  const anew = (value: unknown) => new XMLBuilder(builder).build(isRecord(value) ? declaredFirst(value) : value);
  return {
    decode,
    encode: (value, before) => {
      const made = anew(value);
      if (before === undefined) return made;
      try {
        const patched = patch(before, decode(before), value, parser);
        if (patched !== null && deepEqual(decode(patched), decode(made))) return patched;
      } catch {
        // What was there is no XML.
      }
      return made;
    },
  };
}

/** What stands before the root element has to be written before it. */
function declaredFirst(value: Record<string, unknown>): Record<string, unknown> {
  const declared = (key: string) => key.startsWith("?");
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => Number(declared(b)) - Number(declared(a))));
}

// An element in the order of the file: its name leads to what is in it, ":@" to its attributes, "#text" to a text.
type Item = Record<string, unknown> & { ":@"?: Record<string, string> };

const attribute = "@_";
const [text, comment, verbatim] = ["#text", "#comment", "#cdata"];
// Nothing is read into what stands there: no entities, no numbers, no blanks.
const ordered = {
  preserveOrder: true, ignoreAttributes: false, attributeNamePrefix: attribute, textNodeName: text, commentPropName: comment, cdataPropName: verbatim,
  parseTagValue: false, parseAttributeValue: false, trimValues: false, processEntities: false, allowBooleanAttributes: true,
};

const inText = (value: unknown) => String(value).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const inQuotes = (value: unknown) => inText(value).replaceAll('"', "&quot;");

/** Changes in a text what is another value. Null when the options have names of their own for what is in it. */
function patch(before: string, old: unknown, value: unknown, { attributeNamePrefix = attribute, textNodeName = text }: X2jOptions): string | null {
  if (attributeNamePrefix !== attribute || textNodeName !== text || !isRecord(old) || !isRecord(value)) return null;
  const start = rootOf(before);
  const items = new XMLParser(ordered).parse(before.slice(start)) as Item[];
  const members = (all: Record<string, unknown>) => Object.fromEntries(Object.entries(all).filter(([key]) => !key.startsWith("?")));
  patchChildren(items, members(old), members(value));
  quote(items);
  const made = new XMLBuilder({ ...ordered, suppressEmptyNode: true, suppressBooleanAttributes: false }).build(items);
  return before.slice(0, start) + made.trimEnd() + before.slice(before.trimEnd().length);
}

/** Where the root element begins: behind the declaration, the type and comments. */
function rootOf(xml: string): number {
  const before = /^(?:\s+|<\?[^]*?\?>|<!--[^]*?-->|<!DOCTYPE(?:[^[>]|\[[^]*?\]\s*(?=>))*>)*/i.exec(xml);
  return before?.[0].length ?? 0;
}

const nameOf = (item: Item) => Object.keys(item).find((key) => key !== ":@")!;
const listed = (value: unknown): unknown[] => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

function patchChildren(children: Item[], old: Record<string, unknown>, value: Record<string, unknown>): void {
  for (const key of new Set([...Object.keys(old), ...Object.keys(value)])) {
    if (key.startsWith(attribute) || deepEqual(old[key], value[key])) continue;
    if (key === text) patchText(children, value[key]);
    else patchElements(children, key, listed(old[key]), listed(value[key]));
  }
}

function patchElements(children: Item[], name: string, old: unknown[], wanted: unknown[]): void {
  const there = children.filter((child) => nameOf(child) === name);
  for (const [i, item] of there.entries()) {
    if (i >= wanted.length) children.splice(children.indexOf(item), 1);
    else if (!deepEqual(old[i], wanted[i])) patchElement(item, name, old[i], wanted[i]);
  }
  const last = there.length > 0 ? children.indexOf(there.at(-1)!) + 1 : children.findLastIndex((child) => nameOf(child) !== text || String(child[text]).trim() !== "") + 1;
  const more = wanted.slice(there.length).map((value) => patchElement({ [name]: [] }, name, undefined, value));
  children.splice(last, 0, ...more);
}

function patchElement(item: Item, name: string, old: unknown, wanted: unknown): Item {
  const [before, after] = [members(old), members(wanted)];
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (!key.startsWith(attribute) || deepEqual(before[key], after[key])) continue;
    item[":@"] ??= {};
    if (after[key] === undefined) delete item[":@"][key];
    else item[":@"][key] = inQuotes(after[key]);
  }
  patchChildren(item[name] as Item[], before, after);
  return item;
}

/** An element is its text where it has nothing else. */
const members = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : value === undefined || value === null || value === "" ? {} : { [text]: value });

function patchText(children: Item[], wanted: unknown): void {
  const at = children.findIndex((child) => text in child || verbatim in child);
  const rest = children.filter((child) => !(text in child || verbatim in child));
  if (wanted !== undefined && wanted !== "") rest.splice(at < 0 ? 0 : at, 0, { [text]: inText(wanted) });
  children.splice(0, children.length, ...rest);
}

/** All attributes are written in double quotes, also those that stood in single ones. */
function quote(items: Item[]): void {
  for (const item of items) {
    for (const [key, value] of Object.entries(item[":@"] ?? {})) if (typeof value === "string") item[":@"]![key] = value.replaceAll('"', "&quot;");
    const children = item[nameOf(item)];
    if (Array.isArray(children)) quote(children as Item[]);
  }
}
