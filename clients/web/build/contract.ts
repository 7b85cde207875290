import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import {
  FieldOptionsSchema, FileDescriptorProtoSchema, MessageOptionsSchema, MethodOptionsSchema, type DescriptorProto, type FileDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import type { Plugin } from "vite";

/** What only options are written in: rules that the server checks, and routes of the other way to call it. */
const onlyOptions = ["buf/validate/validate.proto", "google/api/annotations.proto", "google/protobuf/descriptor.proto"];
const ownOptions = "hearth/options/v1/options.proto";
const described = /fileDesc\("([^"]+)"(?:, \[([^\]]*)\])?\)/;

function bareMessage(message: DescriptorProto): void {
  if (message.options) message.options = create(MessageOptionsSchema, { mapEntry: message.options.mapEntry });
  message.extension = [];
  for (const field of message.field) {
    const packed = field.options?.packed;
    if (packed === undefined || field.options?.hasOwnProperty("packed") !== true) delete field.options;
    else field.options = create(FieldOptionsSchema, { packed });
  }
  for (const oneof of message.oneofDecl) delete oneof.options;
  for (const { value } of message.enumType) for (const one of value) delete one.options;
  message.nestedType.forEach(bareMessage);
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

/** A file of the contract without what its comments in options say: the page needs names, numbers and types. */
export function bare(content: Uint8Array): { readonly content: Uint8Array; readonly dropped: readonly string[] } {
  const file = fromBinary(FileDescriptorProtoSchema, content);
  delete file.options;
  file.extension = [];
  file.messageType.forEach(bareMessage);
  for (const { value } of file.enumType) for (const one of value) delete one.options;
  for (const service of file.service) {
    delete service.options;
    for (const method of service.method) {
      if (method.options) method.options = create(MethodOptionsSchema, { idempotencyLevel: method.options.idempotencyLevel });
    }
  }
  const used = [...typesOf(file)].some((name) => name.startsWith(".hearth.options.v1."));
  const dropped = file.dependency.filter((name) => onlyOptions.includes(name) || (name === ownOptions && !used));
  file.dependency = file.dependency.filter((name) => !dropped.includes(name));
  return { content: toBinary(FileDescriptorProtoSchema, file), dropped };
}

/** Makes what the built page carries of the contract small: a third of it would be options that nobody reads there. */
export function contract(): Plugin {
  return {
    name: "hearth-contract",
    apply: "build",
    transform(code, id) {
      if (!id.includes("/packages/api/gen/")) return undefined;
      const found = described.exec(code);
      if (found === null) throw new Error(`${id} describes no file of the contract`);
      const { content, dropped } = bare(base64Decode(found[1]!));
      const names = dropped.map((name) => `file_${name.replace(/\.proto$/, "").replaceAll(/[/.]/g, "_")}`);
      const imports = (found[2] ?? "").split(",").map((name) => name.trim()).filter((name) => name !== "" && !names.includes(name));
      return { code: code.replace(found[0], `fileDesc("${base64Encode(content, "std_raw")}", [${imports.join(", ")}])`), map: null };
    },
  };
}
