import type { AnyDesc, DescFile, DescMessage } from "@bufbuild/protobuf";
import { toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { bare } from "../../build/contract.js";
import { described } from "./described.js";

const files = import.meta.glob<Record<string, unknown>>("../../../../sdk-ts/packages/api/gen/**/*_pb.ts", { eager: true });
const all = Object.values(files).flatMap((module) => Object.values(module).filter((one): one is DescFile => (one as AnyDesc | undefined)?.kind === "file"));

/** What of a description is used when messages are read, written and sent. */
function told(file: DescFile): unknown {
  const field = (one: DescMessage["fields"][number]) => ({
    name: one.name, local: one.localName, json: one.jsonName, number: one.number, kind: one.fieldKind, presence: one.presence,
    scalar: one.scalar, message: one.message?.typeName, enum: one.enum?.typeName, oneof: one.oneof?.localName,
    ...(one.fieldKind === "list" ? { list: one.listKind, packed: one.packed } : {}),
    ...(one.fieldKind === "map" ? { key: one.mapKey, map: one.mapKind } : {}),
    ...("delimitedEncoding" in one ? { delimited: one.delimitedEncoding } : {}),
  });
  const message = (one: DescMessage): unknown => ({
    type: one.typeName, fields: one.fields.map(field), members: one.members.map(({ localName }) => localName), oneofs: one.oneofs.map(({ localName }) => localName),
    nested: one.nestedMessages.map(message), enums: one.nestedEnums.map(enumeration),
  });
  const enumeration = (one: DescFile["enums"][number]) => ({ type: one.typeName, open: one.open, values: one.values.map(({ name, localName, number }) => [name, localName, number]) });
  const service = (one: DescFile["services"][number]) => ({
    type: one.typeName,
    methods: one.methods.map((method) => [method.name, method.localName, method.methodKind, method.input.typeName, method.output.typeName, method.idempotency]),
  });
  return { name: file.name, messages: file.messages.map(message), enums: file.enums.map(enumeration), services: file.services.map(service) };
}

test("what the built page is told of the contract is what the generated code says of it", () => {
  expect(all.length).toBeGreaterThan(20);
  const made = new Map<string, DescFile>();
  const nameOf = (file: DescFile) => `file_${file.name.replaceAll("/", "_")}`;
  const make = (file: DescFile): DescFile => {
    const known = made.get(file.name);
    if (known !== undefined) return known;
    const { file: written, kept } = bare(toBinary(FileDescriptorProtoSchema, file.proto), file.dependencies.map(nameOf));
    const needed = file.dependencies.filter((one) => kept.includes(nameOf(one)));
    const fresh = described(JSON.parse(JSON.stringify(written)) as typeof written, needed.map(make));
    made.set(file.name, fresh);
    return fresh;
  };
  for (const file of all) expect(told(make(file))).toEqual(told(file));
});
