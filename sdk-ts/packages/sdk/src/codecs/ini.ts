import * as INI from "ini";
import { deepEqual } from "../values.js";
import type { Codec } from "./codec.js";
import { patchLines, type Grammar } from "./lines.js";

export type IniOptions = INI.EncodeOptions & INI.DecodeOptions;

/** INI. Comments, and the order and look of what does not change, stay where sections hold their values a line each. */
export function iniCodec(options: IniOptions = {}): Codec {
  return {
    decode: (text) => INI.parse(text, options),
    encode: (value, before) => {
      const made = INI.stringify(value, options);
      if (before === undefined) return made;
      const patched = patchLines(before, INI.parse(before, options), value, grammar(options));
      return patched !== null && deepEqual(INI.parse(patched, options), INI.parse(made, options)) ? patched : made;
    },
  };
}

const grammar = ({ whitespace = false, bracketedArray = true }: IniOptions): Grammar => {
  const mark = bracketedArray ? "[]" : "";
  const write = (value: unknown) => (["string", "number", "boolean"].includes(typeof value) || value === null ? INI.safe(String(value)) : null);
  const assign = (key: string, value: string) => `${INI.safe(key)}${whitespace ? " = " : "="}${value}`;
  return {
    table: (line) => {
      const found = /^\s*\[([^\]]*)\]\s*$/.exec(line);
      return found ? found[1]!.split(/(?<!\\)\./).map((part) => INI.unsafe(part.replaceAll("\\.", "."))) : null;
    },
    entry: (line) => {
      const found = /^(\s*([^\s=;#[][^=]*?)(\s*=\s*))(.*?)(\s*)$/.exec(line);
      return found ? { key: [INI.unsafe(mark && found[2]!.endsWith(mark) ? found[2]!.slice(0, -2) : found[2]!)], head: found[1]!, value: found[4]!, tail: "" } : null;
    },
    write,
    header: (path) => `[${path.map((part) => INI.safe(part).replaceAll(".", "\\.")).join(".")}]`,
    assign,
    list: (key, items) => {
      const lines = items.map(write);
      return lines.includes(null) ? null : lines.map((line) => assign(key + mark, line!));
    },
  };
};
