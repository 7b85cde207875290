import * as TOML from "smol-toml";
import type { Codec } from "./codec.js";

export const tomlCodec: Codec = { decode: (text) => TOML.parse(text), encode: (value) => `${TOML.stringify(value as Record<string, unknown>).trimEnd()}\n` };
