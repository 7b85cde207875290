import { XMLBuilder, XMLParser, type X2jOptions, type XmlBuilderOptions } from "fast-xml-parser";
import type { Codec } from "./codec.js";

export interface XmlOptions {
  parser?: X2jOptions;
  builder?: XmlBuilderOptions;
}
export function xmlCodec(options: XmlOptions = {}): Codec {
  return {
    decode: (text) => new XMLParser({ ignoreAttributes: false, ...options.parser }).parse(text) as unknown,
    encode: (value) => new XMLBuilder({ ignoreAttributes: false, format: true, suppressBooleanAttributes: false, ...options.builder }).build(value),
  };
}
