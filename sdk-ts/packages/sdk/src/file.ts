/** Files with a shape, by their format. */
import { iniCodec, type IniOptions } from "./codecs/ini.js";
import { jsonCodec } from "./codecs/json.js";
import { envCodec, rawCodec } from "./codecs/text.js";
import { tomlCodec } from "./codecs/toml.js";
import { plainNumbers, xmlCodec, type XmlOptions } from "./codecs/xml.js";
import { yamlCodec, type YamlOptions } from "./codecs/yaml.js";
import { FileModel, type ToPath } from "./files.js";
import { schema, type Schema } from "./schema.js";

export { FileModel, type Reader, type ToPath } from "./files.js";

/**
 * A file of JSON.
 * @example
 * const settings = file.json({ base: volume, subpath: "greeting.json" }, defaults({ greeting: "Hello" }));
 * await settings.write(effects, { greeting: "Hi" });
 * assert.equal((await settings.read().once())?.greeting, "Hi");
 */
export const json = <T>(to: ToPath, shape: Schema<T>): FileModel<T> => new FileModel(to, jsonCodec, shape);
/**
 * A file of YAML; comments stay.
 * @example
 * const config = file.yaml({ base: volume, subpath: "config.yaml" }, defaults({ port: 80 }));
 * await config.write(effects, { port: 8080 });
 * assert.equal((await config.read().once())?.port, 8080);
 */
export const yaml = <T>(to: ToPath, shape: Schema<T>, options?: YamlOptions): FileModel<T> => new FileModel(to, yamlCodec(options), shape);
/**
 * A file of TOML; comments stay.
 * @example
 * const config = file.toml({ base: volume, subpath: "config.toml" }, defaults({ server: { port: 80 } }));
 * await config.write(effects, { server: { port: 8080 } });
 * assert.equal((await config.read().once())?.server.port, 8080);
 */
export const toml = <T>(to: ToPath, shape: Schema<T>): FileModel<T> => new FileModel(to, tomlCodec, shape);
/**
 * A file of INI, with sections and without; comments stay.
 * @example
 * const config = file.ini({ base: volume, subpath: "config.ini" }, defaults({ server: { name: "a" } }));
 * await config.write(effects, { server: { name: "b" } });
 * assert.equal((await config.read().once())?.server.name, "b");
 */
export const ini = <T>(to: ToPath, shape: Schema<T>, options?: IniOptions): FileModel<T> => new FileModel(to, iniCodec(options), shape);
/**
 * A file of lines NAME=value; comments stay.
 * @example
 * const config = file.env({ base: volume, subpath: ".env" }, defaults({ NAME: "" }));
 * await config.write(effects, { NAME: "Ada" });
 * assert.equal((await config.read().once())?.NAME, "Ada");
 */
export const env = <T>(to: ToPath, shape: Schema<T>): FileModel<T> => new FileModel(to, envCodec, shape);
/**
 * A file of XML.
 * @example
 * const config = file.xml({ base: volume, subpath: "config.xml" }, defaults({ config: { port: 80 } }));
 * await config.write(effects, { config: { port: 8080 } });
 * assert.equal((await config.read().once())?.config.port, 8080);
 */
export const xml = <T>(to: ToPath, shape: Schema<T>, options?: XmlOptions): FileModel<T> => new FileModel(to, xmlCodec({ ...options, parser: { ...plainNumbers, ...options?.parser } }), shape);
/**
 * A file that is one text.
 * @example
 * const motd = file.text({ base: volume, subpath: "motd" });
 * await motd.write(effects, "Hello");
 * assert.equal(await motd.read().once(), "Hello");
 */
export const text = (to: ToPath): FileModel<string> => new FileModel(to, rawCodec, schema(String), undefined, false);
/**
 * A file of a format of your own.
 * @example
 * const list = file.raw<string[]>({ base: volume, subpath: "list" }, (text) => text.split("\n"), (lines) => lines.join("\n"), { "~standard": { version: 1, vendor: "mine", validate: (value) => ({ value: value as string[] }) } });
 * await list.write(effects, ["a", "b"]);
 * assert.deepEqual(await list.read().once(), ["a", "b"]);
 */
export const raw = <T>(to: ToPath, decode: (text: string) => unknown, encode: (value: T) => string, shape: Schema<T>): FileModel<T> =>
  new FileModel(to, { decode, encode: (value) => encode(value as T) }, shape, undefined, false);
