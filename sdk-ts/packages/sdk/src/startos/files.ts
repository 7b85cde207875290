import type * as z from "./zod-all.js";
import { iniCodec, type IniOptions } from "../codecs/ini.js";
import { jsonCodec } from "../codecs/json.js";
import { envCodec, rawCodec } from "../codecs/text.js";
import { tomlCodec } from "../codecs/toml.js";
import { xmlCodec, type XmlOptions } from "../codecs/xml.js";
import { yamlCodec, type YamlOptions } from "../codecs/yaml.js";
import type { Codec } from "../codecs/codec.js";
import { FileModel, type ToPath, type Transformers } from "../files.js";
import { schema } from "../schema.js";
import { deepLoose } from "./zod.js";

export type FileHelper<A> = Pick<FileModel<A>, "path" | "writeData" | "readData" | "validate" | "read" | "write" | "merge"> & { withPath(path: ToPath): FileHelper<A> };
type Table = Record<string, unknown>;

// What a shape of zod does not know it keeps itself.
function model<A>(to: ToPath, codec: Codec, shape: z.ZodType<A>, transformers?: Transformers<any, any, any>): FileHelper<A> {
  return new FileModel<A>(to, codec, deepLoose(shape), transformers, false);
}

interface Static {
  raw<A>(to: ToPath, toFile: (value: A) => string, fromFile: (text: string) => unknown, validate: (value: unknown) => A): FileHelper<A>;
  string(to: ToPath): FileHelper<string>;
  string<A extends string>(to: ToPath, shape: z.ZodType<A>): FileHelper<A>;
  string<A extends T, T = string>(to: ToPath, shape: z.ZodType<A>, transformers: Transformers<string, T, A>): FileHelper<A>;
  json<A>(to: ToPath, shape: z.ZodType<A>): FileHelper<A>;
  json<A extends T, T = unknown>(to: ToPath, shape: z.ZodType<A>, transformers: Transformers<unknown, T, A>): FileHelper<A>;
  yaml<A extends Table>(to: ToPath, shape: z.ZodType<A>, options?: YamlOptions): FileHelper<A>;
  yaml<A extends T, T = Table>(to: ToPath, shape: z.ZodType<A>, options: YamlOptions, transformers: Transformers<Table, T, A>): FileHelper<A>;
  toml<A extends Table>(to: ToPath, shape: z.ZodType<A>): FileHelper<A>;
  toml<A extends T, T = Table>(to: ToPath, shape: z.ZodType<A>, transformers: Transformers<Table, T, A>): FileHelper<A>;
  ini<A extends Table>(to: ToPath, shape: z.ZodType<A>, options?: IniOptions): FileHelper<A>;
  ini<A extends T, T = Table>(to: ToPath, shape: z.ZodType<A>, options: IniOptions, transformers: Transformers<Table, T, A>): FileHelper<A>;
  env<A extends Record<string, string>>(to: ToPath, shape: z.ZodType<A>): FileHelper<A>;
  env<A extends T, T = Record<string, string>>(to: ToPath, shape: z.ZodType<A>, transformers: Transformers<Record<string, string>, T, A>): FileHelper<A>;
  xml<A extends Table>(to: ToPath, shape: z.ZodType<A>, options?: XmlOptions): FileHelper<A>;
  xml<A extends T, T = Table>(to: ToPath, shape: z.ZodType<A>, options: XmlOptions, transformers: Transformers<Table, T, A>): FileHelper<A>;
}

type Any = z.ZodType<any>;
type Change = Transformers<any, any, any>;

/** Files with a shape of zod. */
export const FileHelper: Static = {
  raw: <A>(to: ToPath, toFile: (value: A) => string, fromFile: (text: string) => unknown, validate: (value: unknown) => A) =>
    new FileModel<A>(to, { decode: fromFile, encode: (value) => toFile(value as A) }, schema(validate), undefined, false),
  string: (to: ToPath, shape?: Any, transformers?: Change) => (shape ? model(to, rawCodec, shape, transformers) : new FileModel<any>(to, rawCodec, schema(String), undefined, false)),
  json: (to: ToPath, shape: Any, transformers?: Change) => model<any>(to, jsonCodec, shape, transformers),
  yaml: (to: ToPath, shape: Any, options?: YamlOptions, transformers?: Change) => model<any>(to, yamlCodec(options), shape, transformers),
  toml: (to: ToPath, shape: Any, transformers?: Change) => model<any>(to, tomlCodec, shape, transformers),
  ini: (to: ToPath, shape: Any, options?: IniOptions, transformers?: Change) => model<any>(to, iniCodec(options), shape, transformers),
  env: (to: ToPath, shape: Any, transformers?: Change) => model<any>(to, envCodec, shape, transformers),
  xml: (to: ToPath, shape: Any, options?: XmlOptions, transformers?: Change) => model<any>(to, xmlCodec(options), shape, transformers),
};
