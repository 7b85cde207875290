import { create, ScalarType, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";

/**
 * What follows for the messages of hearth.effects.v1 from the rules in its package comment: parameters become the
 * request by the JSON names of its fields, the field `value` of the response is the result.
 */

/** Makes a request of the parameters that package code gave. Unknown members are left out, null means absent. */
export function encode(desc: DescMessage, params: unknown): Message {
  const message = create(desc) as Message & Record<string, unknown>;
  if (params === undefined || params === null) return message;
  if (typeof params !== "object" || Array.isArray(params)) throw new TypeError("the parameters are no object");
  for (const field of desc.fields) {
    const value = (params as Record<string, unknown>)[field.jsonName];
    if (value === undefined || value === null) continue;
    message[field.localName] = fieldValue(field, value);
  }
  return message;
}

function fieldValue(field: DescField, value: unknown): unknown {
  if (field.fieldKind === "scalar") return scalar(field.scalar, field.jsonName, value);
  if (field.fieldKind === "list" && field.listKind === "scalar") {
    if (!Array.isArray(value)) throw wrong(field.jsonName, "a list");
    return value.map((member, i) => scalar(field.scalar, `${field.jsonName}[${i}]`, member));
  }
  throw new TypeError(`the parameter "${field.jsonName}" has a type that effects do not have`);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function scalar(type: ScalarType, name: string, value: unknown): unknown {
  switch (type) {
    case ScalarType.STRING:
      if (typeof value !== "string") throw wrong(name, "a text");
      return value.toWellFormed();
    case ScalarType.BOOL:
      if (typeof value !== "boolean") throw wrong(name, "true or false");
      return value;
    case ScalarType.UINT32:
      if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 0xffffffff)
        throw wrong(name, "a whole number that is not negative");
      return value;
    case ScalarType.BYTES: {
      const json = JSON.stringify(value) as string | undefined;
      if (json === undefined) throw wrong(name, "JSON");
      return encoder.encode(json);
    }
    default:
      throw new TypeError(`the parameter "${name}" has a type that effects do not have`);
  }
}

function wrong(name: string, wanted: string): TypeError {
  return new TypeError(`the parameter "${name}" must be ${wanted}`);
}

/** Reads the result out of a response. */
export function decode(desc: DescMessage, message: Message): unknown {
  const field = desc.field["value"];
  if (!field) return null;
  const value = (message as Message & Record<string, unknown>)[field.localName];
  return value instanceof Uint8Array ? decodeJson(value) : (value ?? null);
}

/** Reads JSON, as it is in fields of bytes; empty means null. */
export function decodeJson(bytes: Uint8Array): unknown {
  return bytes.length === 0 ? null : JSON.parse(decoder.decode(bytes));
}

/** Writes JSON for a field of bytes; null and undefined are empty. */
export function encodeJson(value: unknown): Uint8Array {
  if (value === undefined || value === null) return new Uint8Array();
  const json = JSON.stringify(value) as string | undefined;
  return json === undefined ? new Uint8Array() : encoder.encode(json);
}
