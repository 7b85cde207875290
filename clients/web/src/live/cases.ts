import { ResourceSchema } from "@hearthos/api/hearth/state/v1/state_pb";

/** The member of the contract's Resource that holds a kind, by the kind's name: its own, without the marks between words. */
export const kindCases: Readonly<Record<string, string>> = Object.fromEntries(
  ResourceSchema.fields.map((field) => [field.name.replaceAll("_", ""), field.localName]),
);
