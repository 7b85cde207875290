import { createFileRegistry, type DescFile } from "@bufbuild/protobuf";
import type { FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { protoCamelCase } from "@bufbuild/protobuf/reflect";

/** A field: name, number, type, its type's name, whether it is a list, the place of its oneof, whether it is packed. */
export type Field = readonly [string, number, number, (string | 0)?, (0 | 1)?, number?, (0 | 1 | -1)?];
/** A message: name, fields, names of oneofs, messages within, enums within, whether it is an entry of a map. */
export type Message = readonly [string, (readonly Field[])?, (readonly string[])?, (readonly Message[])?, (readonly Enum[])?, (0 | 1)?];
/** An enum: name, and names and numbers of its values by turns. */
export type Enum = readonly [string, ...(string | number)[]];
/** A method: name, input, output, its idempotency, whether the server streams, whether the client does. */
export type Method = readonly [string, string, string, number?, (0 | 1)?, (0 | 1)?];
export type Service = readonly [string, ...Method[]];
/** A file of the contract, as the build writes it down: see build/contract.ts, which makes it. */
export type Described = readonly [string, string, readonly Message[], readonly Enum[], readonly Service[]];

function field([name, number, type, typeName, list, oneof = -1, packed = -1]: Field) {
  // A field that is optional without being of a oneof is written with the place -2.
  return {
    name, number, type,
    label: list ? 3 : 1,
    typeName: typeName || "",
    extendee: "",
    jsonName: protoCamelCase(name),
    oneofIndex: oneof < 0 ? undefined : oneof,
    proto3Optional: oneof === -2,
    options: packed < 0 ? undefined : { packed: packed === 1 },
  };
}

function enumeration([name, ...values]: Enum) {
  const value = [];
  for (let i = 0; i < values.length; i += 2) value.push({ name: values[i], number: values[i + 1] });
  return { name, value };
}

function message([name, fields = [], oneofs = [], nested = [], enums = [], entry]: Message): object {
  return {
    name,
    field: fields.map(field),
    oneofDecl: oneofs.map((name) => ({ name })),
    nestedType: nested.map(message),
    enumType: enums.map(enumeration),
    extension: [],
    options: entry ? { mapEntry: true } : undefined,
  };
}

function service([name, ...methods]: Service) {
  return {
    name,
    method: methods.map(([name, inputType, outputType, idempotencyLevel = 0, serverStreaming = 0, clientStreaming = 0]) => ({
      name, inputType, outputType,
      serverStreaming: serverStreaming === 1,
      clientStreaming: clientStreaming === 1,
      options: { idempotencyLevel },
    })),
  };
}

/**
 * Makes the description of a file that generated code would decode from bytes. Decoding some fifty of them was a third of what the page's
 * code took to begin, since it is done before anything of it runs twice.
 */
export function described([name, pkg, messages, enums, services]: Described, imports: readonly DescFile[]): DescFile {
  const proto = {
    $typeName: "google.protobuf.FileDescriptorProto",
    name, package: pkg, syntax: "proto3",
    dependency: imports.map((file) => file.proto.name),
    messageType: messages.map(message),
    enumType: enums.map(enumeration),
    service: services.map(service),
    extension: [],
  };
  // What describes a file is read by the registry alone, and holds what it reads.
  return createFileRegistry(proto as unknown as FileDescriptorProto, (wanted) => imports.find((file) => file.proto.name === wanted)).getFile(name)!;
}
