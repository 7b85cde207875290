import { jsonCodec } from "@hearthos/sdk/codecs/json";
import { tomlCodec } from "@hearthos/sdk/codecs/toml";
import { yamlCodec } from "@hearthos/sdk/codecs/yaml";
import type { Format } from "./manifest.js";

const yaml = yamlCodec({ maxAliasCount: 100 });
const toml = tomlCodec;

/** Writes what a command reads. */
export function encode(format: Format, value: unknown): string {
  switch (format) {
    case "yaml":
      return yaml.encode(value);
    case "toml":
    case "toml-pretty":
      return toml.encode(value);
    case "cbor":
      throw new Error("the package's command wants its input in a form that is not known here: CBOR");
    default:
      return format === "json" ? JSON.stringify(value) : jsonCodec.encode(value);
  }
}

/** Reads what a command printed: in its format, else as a text. */
export function decode(format: Format | null, text: string): unknown {
  if (format === null) return text.trim() === "" ? null : text.replace(/\n$/, "");
  try {
    switch (format) {
      case "yaml":
        return yaml.decode(text) ?? null;
      case "toml":
      case "toml-pretty":
        return toml.decode(text);
      case "cbor":
        return text;
      default:
        return JSON.parse(text) as unknown;
    }
  } catch {
    return text;
  }
}

export const yamlText = { read: (text: string) => yaml.decode(text) as unknown, write: (value: unknown) => yaml.encode(value) };
