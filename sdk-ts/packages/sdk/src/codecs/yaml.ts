import * as YAML from "yaml";
import { deepEqual, isRecord } from "../values.js";
import type { Codec } from "./codec.js";

export type YamlOptions = YAML.ParseOptions & YAML.DocumentOptions & YAML.SchemaOptions & YAML.ToJSOptions & YAML.CreateNodeOptions & YAML.ToStringOptions;

/** YAML. Comments, and the order and look of what does not change, stay, also numbers that JavaScript cannot hold. */
export function yamlCodec(options: YamlOptions = {}): Codec {
  return {
    decode: (text) => YAML.parse(text, options) as unknown,
    encode: (value, before) => {
      const document = before === undefined ? undefined : YAML.parseDocument(before, options.customTags ? options : { ...options, customTags: asWritten });
      if (!document || document.errors.length > 0 || !YAML.isMap(document.contents) || !isRecord(value)) return YAML.stringify(value, options);
      patch(document, [], document.toJS(options), value);
      return document.toString(options);
    },
  };
}

/** Tags of numbers that write one that was read and not changed as it stood there. */
function asWritten(tags: YAML.Tags): YAML.Tags {
  return tags.map((tag) => {
    if (typeof tag !== "object" || !("resolve" in tag) || !/:(int|float)$/.test(tag.tag)) return tag;
    const read = new WeakMap<object, unknown>();
    const { resolve, stringify } = tag as YAML.ScalarTag;
    const number: YAML.ScalarTag = {
      ...(tag as YAML.ScalarTag),
      resolve: (text, onError, more) => {
        const made = resolve(text, onError, more);
        const node = YAML.isScalar(made) ? made : new YAML.Scalar(made);
        read.set(node, node.value);
        return node;
      },
      stringify: (node, ...more) => (node.source !== undefined && read.has(node) && Object.is(read.get(node), node.value) ? node.source : stringify ? stringify(node, ...more) : String(node.value)),
    };
    return number;
  });
}

function patch(document: YAML.Document, path: string[], before: unknown, after: unknown): void {
  if (deepEqual(before, after)) return;
  if (!isRecord(before) || !isRecord(after)) {
    if (path.length === 0) return;
    const node = document.getIn(path, true);
    if (YAML.isSeq(node) && Array.isArray(before) && Array.isArray(after) && node.items.length === before.length) return patchItems(document, path, node, before, after);
    // A value that is changed in its place keeps the comment beside it.
    if (YAML.isScalar(node) && (typeof after !== "object" || after === null)) node.value = after;
    else document.setIn(path, document.createNode(after));
    return;
  }
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key) || after[key] === undefined) document.deleteIn([...path, key]);
  for (const [key, value] of Object.entries(after)) {
    if (value === undefined) continue;
    if (Object.hasOwn(before, key)) patch(document, [...path, key], before[key], value);
    else document.setIn([...path, key], document.createNode(value));
  }
}

// Items that do not change keep their place and what is beside them; those between are changed, come or go.
function patchItems(document: YAML.Document, path: string[], node: YAML.YAMLSeq, before: unknown[], after: unknown[]): void {
  let [end, wanted] = [before.length, after.length];
  // From the end, so that the numbers of the items before stay what they are.
  for (const [i, j] of [...common(before, after), [-1, -1] as const].sort(([a], [b]) => b - a)) {
    const [gone, come] = [end - i - 1, wanted - j - 1];
    const both = Math.min(gone, come);
    for (let n = 0; n < both; n++) patch(document, [...path, String(i + 1 + n)], before[i + 1 + n], after[j + 1 + n]);
    node.items.splice(i + 1 + both, gone - both, ...after.slice(j + 1 + both, wanted).map((item) => document.createNode(item)));
    [end, wanted] = [i, j];
  }
}

const longest = 1000; // of lists longer than that only what does not change at both ends is looked for

/** The places of items that both lists have in the same order, as many as there are. */
function common(before: unknown[], after: unknown[]): [number, number][] {
  const pairs: [number, number][] = [];
  const shorter = Math.min(before.length, after.length);
  let [head, tail] = [0, 0];
  while (head < shorter && deepEqual(before[head], after[head])) pairs.push([head, head++]);
  while (tail < shorter - head && deepEqual(before.at(-1 - tail), after.at(-1 - tail))) tail++;
  for (let n = 1; n <= tail; n++) pairs.push([before.length - n, after.length - n]);
  const [a, b] = [before.slice(head, before.length - tail), after.slice(head, after.length - tail)];
  if (a.length === 0 || b.length === 0 || a.length > longest || b.length > longest) return pairs;
  const most = a.map(() => new Uint16Array(b.length + 1)).concat(new Uint16Array(b.length + 1));
  const same = a.map((x) => b.map((y) => deepEqual(x, y)));
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) most[i]![j] = same[i]![j] ? most[i + 1]![j + 1]! + 1 : Math.max(most[i + 1]![j]!, most[i]![j + 1]!);
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (same[i]![j]) pairs.push([head + i++, head + j++]);
    else if (most[i + 1]![j]! >= most[i]![j + 1]!) i++;
    else j++;
  }
  return pairs;
}
