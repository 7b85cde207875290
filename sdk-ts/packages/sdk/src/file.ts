/** Files with a shape, by their format. */
import { iniCodec, type IniOptions } from "./codecs/ini.js";
import { envCodec, jsonCodec, rawCodec } from "./codecs/text.js";
import { tomlCodec } from "./codecs/toml.js";
import { xmlCodec, type XmlOptions } from "./codecs/xml.js";
import { yamlCodec, type YamlOptions } from "./codecs/yaml.js";
import { FileModel, type ToPath } from "./files.js";
import { schema, type Schema } from "./schema.js";

export { FileModel, type Reader, type ToPath } from "./files.js";

/** A file of JSON.
 * @example file.json({ base: volume, subpath: "settings.json" }, defaults({ greeting: "Hello" }))
 */
export const json = <T>(to: ToPath, shape: Schema<T>): FileModel<T> => new FileModel(to, jsonCodec, shape);
/** A file of YAML; comments stay. */
export const yaml = <T>(to: ToPath, shape: Schema<T>, options?: YamlOptions): FileModel<T> => new FileModel(to, yamlCodec(options), shape);
export const toml = <T>(to: ToPath, shape: Schema<T>): FileModel<T> => new FileModel(to, tomlCodec, shape);
export const ini = <T>(to: ToPath, shape: Schema<T>, options?: IniOptions): FileModel<T> => new FileModel(to, iniCodec(options), shape);
/** A file of lines NAME=value; comments stay. */
export const env = <T>(to: ToPath, shape: Schema<T>): FileModel<T> => new FileModel(to, envCodec, shape);
export const xml = <T>(to: ToPath, shape: Schema<T>, options?: XmlOptions): FileModel<T> => new FileModel(to, xmlCodec(options), shape);
/** A file that is one text. */
export const text = (to: ToPath): FileModel<string> => new FileModel(to, rawCodec, schema(String), undefined, false);
/** A file of a format of your own. */
export const raw = <T>(to: ToPath, decode: (text: string) => unknown, encode: (value: T) => string, shape: Schema<T>): FileModel<T> =>
  new FileModel(to, { decode, encode: (value) => encode(value as T) }, shape, undefined, false);
