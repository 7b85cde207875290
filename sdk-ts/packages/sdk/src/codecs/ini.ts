import * as INI from "ini";
import type { Codec } from "./codec.js";

export type IniOptions = INI.EncodeOptions & INI.DecodeOptions;
export function iniCodec(options: IniOptions = {}): Codec {
  return { decode: (text) => INI.parse(text, options), encode: (value) => INI.stringify(value, options) };
}
