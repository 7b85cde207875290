import { fromBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import {
  FieldDescriptorProto_Label, FileDescriptorProtoSchema,
  type DescriptorProto, type EnumDescriptorProto, type FieldDescriptorProto, type FileDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";
import type { Described, Enum, Field, Message, Service } from "../src/live/described.js";

/** What only options are written in: rules that the server checks, and routes of the other way to call it. */
const onlyOptions = ["file_buf_validate_validate", "file_google_api_annotations", "file_google_protobuf_descriptor"];
const ownOptions = "file_hearth_options_v1_options";
/** Our own, and those of the well-known types that ours are made of. */
const generated = /\/packages\/api\/gen\/|\/wkt\/gen\/google\/protobuf\/(any|duration|empty|field_mask|struct|timestamp|wrappers)_pb\.js$/;
const call = /fileDesc\("([^"]+)"(?:, \[([^\]]*)\])?\)/;
const runtime = fileURLToPath(new URL("../src/live/described.ts", import.meta.url));

/** Leaves out at the end of a list what is as if it were not there. */
function short<T extends readonly unknown[]>(list: T): T {
  const last = list.findLastIndex((one) => one !== undefined && one !== 0 && !(Array.isArray(one) && one.length === 0));
  return list.slice(0, last + 1) as unknown as T;
}

function field(proto: FieldDescriptorProto): Field {
  const has = (name: keyof FieldDescriptorProto) => Object.hasOwn(proto, name) && proto[name] !== undefined;
  const packed = proto.options !== undefined && Object.hasOwn(proto.options, "packed") ? (proto.options.packed ? 1 : 0) : undefined;
  const oneof = proto.proto3Optional ? -2 : has("oneofIndex") ? proto.oneofIndex : undefined;
  if (has("defaultValue")) throw new Error(`the field ${proto.name} has a default, of which the page knows nothing`);
  const list = proto.label === FieldDescriptorProto_Label.REPEATED ? 1 : 0;
  const [name, number, type, typeName, isList, place, isPacked] = [proto.name, proto.number, proto.type, proto.typeName || 0, list, oneof, packed] as const;
  if (isPacked !== undefined) return [name, number, type, typeName, isList as 0 | 1, place ?? -1, isPacked];
  if (place !== undefined) return [name, number, type, typeName, isList as 0 | 1, place];
  return short([name, number, type, typeName, isList as 0 | 1]);
}

function enumeration(proto: EnumDescriptorProto): Enum {
  return [proto.name, ...proto.value.flatMap(({ name, number }) => [name, number])];
}

function message(proto: DescriptorProto): Message {
  return short([
    proto.name,
    proto.field.map(field),
    proto.oneofDecl.map(({ name }) => name),
    proto.nestedType.map(message),
    proto.enumType.map(enumeration),
    proto.options?.mapEntry ? 1 : 0,
  ]) as Message;
}

/** The names of all types that a file's messages and methods are made of. */
function* typesOf(file: FileDescriptorProto): Iterable<string> {
  const messages = [...file.messageType];
  for (let message = messages.pop(); message !== undefined; message = messages.pop()) {
    messages.push(...message.nestedType);
    for (const { typeName } of message.field) yield typeName;
  }
  for (const { method } of file.service) for (const { inputType, outputType } of method) yield* [inputType, outputType];
}

/**
 * A file of the contract without what its comments in options say: the page needs names, numbers and types. Of the files that it imports,
 * by the names they have in generated code, those are kept that more than options need.
 */
export function bare(content: Uint8Array, imports: readonly string[]): { readonly file: Described; readonly kept: readonly string[] } {
  const proto = fromBinary(FileDescriptorProtoSchema, content);
  if (proto.syntax !== "proto3") throw new Error(`${proto.name} is not written in proto3: the page cannot describe it`);
  const services = proto.service.map(
    ({ name, method }): Service => [
      name,
      ...method.map((one) =>
        short([one.name, one.inputType, one.outputType, one.options?.idempotencyLevel ?? 0, one.serverStreaming ? 1 : 0, one.clientStreaming ? 1 : 0] as const),
      ),
    ],
  );
  const file: Described = [proto.name, proto.package, proto.messageType.map(message), proto.enumType.map(enumeration), services];
  const used = [...typesOf(proto)].some((name) => name.startsWith(".hearth.options.v1."));
  return { file, kept: imports.filter((name) => !onlyOptions.includes(name) && (name !== ownOptions || used)) };
}

/**
 * Makes what the built page carries of the contract small and quick to begin with: a third of it would be options that nobody reads there,
 * and bytes would have to be decoded.
 */
export function contract(): Plugin {
  return {
    name: "hearth-contract",
    apply: "build",
    transform(code, id) {
      if (!generated.test(id)) return undefined;
      const found = call.exec(code);
      if (found === null) throw new Error(`${id} describes no file of the contract`);
      const imports = (found[2] ?? "").split(",").map((name) => name.trim()).filter((name) => name !== "");
      const { file, kept } = bare(base64Decode(found[1]!), imports);
      const calls = `described(JSON.parse(${JSON.stringify(JSON.stringify(file))}), [${kept.join(", ")}])`;
      return { code: `import { described } from ${JSON.stringify(runtime)};\n${code.replace(found[0], () => calls)}`, map: null };
    },
  };
}
