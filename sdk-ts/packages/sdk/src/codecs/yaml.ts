import * as YAML from "yaml";
import { deepEqual, isRecord } from "../values.js";
import type { Codec } from "./codec.js";

export type YamlOptions = YAML.ParseOptions & YAML.DocumentOptions & YAML.SchemaOptions & YAML.ToJSOptions & YAML.CreateNodeOptions & YAML.ToStringOptions;

/** YAML. Comments, and the order and look of what does not change, stay. */
export function yamlCodec(options: YamlOptions = {}): Codec {
  return {
    decode: (text) => YAML.parse(text, options) as unknown,
    encode: (value, before) => {
      const document = before === undefined ? undefined : YAML.parseDocument(before, options);
      if (!document || document.errors.length > 0 || !YAML.isMap(document.contents) || !isRecord(value)) return YAML.stringify(value, options);
      patch(document, [], document.toJS(options), value);
      return document.toString(options);
    },
  };
}

function patch(document: YAML.Document, path: string[], before: unknown, after: unknown): void {
  if (deepEqual(before, after)) return;
  if (!isRecord(before) || !isRecord(after)) {
    if (path.length === 0) return;
    const node = document.getIn(path, true);
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
