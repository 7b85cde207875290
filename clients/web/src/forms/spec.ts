/** Characters to draw from, as in "a-z,A-Z,0-9,!", and how many. */
export interface Random {
  readonly charset: string;
  readonly len: number;
}

interface Common {
  readonly name: string;
  readonly description?: string | null;
  readonly warning?: string | null;
  readonly footnote?: string | null;
  readonly disabled?: false | string | readonly string[];
  readonly immutable?: boolean;
}

export interface Pattern {
  readonly regex: string;
  readonly description: string;
}

export interface TextLike {
  readonly patterns?: readonly Pattern[];
  readonly minLength?: number | null;
  readonly maxLength?: number | null;
  readonly masked?: boolean;
  readonly generate?: Random | null;
  readonly inputmode?: "text" | "email" | "tel" | "url";
  readonly placeholder?: string | null;
}

export interface TextSpec extends Common, TextLike {
  readonly type: "text";
  readonly required?: boolean;
  readonly default?: string | Random | null;
}
export interface TextareaSpec extends Common, Omit<TextLike, "inputmode" | "generate" | "masked"> {
  readonly type: "textarea";
  readonly required?: boolean;
  readonly default?: string | null;
  readonly minRows?: number;
  readonly maxRows?: number;
}
export interface NumberSpec extends Common {
  readonly type: "number";
  readonly required?: boolean;
  readonly default?: number | null;
  readonly min?: number | null;
  readonly max?: number | null;
  readonly step?: number | null;
  readonly integer?: boolean;
  readonly units?: string | null;
  readonly placeholder?: string | null;
}
export interface ColorSpec extends Common {
  readonly type: "color";
  readonly required?: boolean;
  readonly default?: string | null;
}
export interface DatetimeSpec extends Common {
  readonly type: "datetime";
  readonly required?: boolean;
  readonly default?: string | null;
  readonly inputmode?: "date" | "time" | "datetime-local";
  readonly min?: string | null;
  readonly max?: string | null;
}
export interface ToggleSpec extends Common {
  readonly type: "toggle";
  readonly default?: boolean | null;
}
export interface TriStateSpec extends Common {
  readonly type: "triState";
  readonly default?: boolean | null;
}
export interface SelectSpec extends Common {
  readonly type: "select";
  readonly default?: string | null;
  readonly values: Readonly<Record<string, string>>;
}
export interface MultiselectSpec extends Common {
  readonly type: "multiselect";
  readonly default?: readonly string[];
  readonly values: Readonly<Record<string, string>>;
  readonly minLength?: number | null;
  readonly maxLength?: number | null;
}
export type UniqueBy = null | string | { readonly any: readonly UniqueBy[] } | { readonly all: readonly UniqueBy[] };
export interface ListText extends TextLike {
  readonly type: "text";
}
export interface ListObject {
  readonly type: "object";
  readonly spec: InputSpec;
  readonly uniqueBy?: UniqueBy;
  readonly displayAs?: string | null;
}
export interface ListSpec extends Common {
  readonly type: "list";
  readonly spec: ListText | ListObject;
  readonly minLength?: number | null;
  readonly maxLength?: number | null;
  readonly default?: readonly unknown[];
}
export interface ObjectSpec extends Common {
  readonly type: "object";
  readonly spec: InputSpec;
}
export interface UnionSpec extends Common {
  readonly type: "union";
  readonly default?: string | null;
  readonly variants: Readonly<Record<string, { readonly name: string; readonly spec: InputSpec }>>;
}
export interface FileSpec extends Common {
  readonly type: "file";
  readonly extensions?: readonly string[];
  readonly required?: boolean;
}
export interface HiddenSpec {
  readonly type: "hidden";
}

export type ValueSpec =
  | TextSpec
  | TextareaSpec
  | NumberSpec
  | ColorSpec
  | DatetimeSpec
  | ToggleSpec
  | TriStateSpec
  | SelectSpec
  | MultiselectSpec
  | ListSpec
  | ObjectSpec
  | UnionSpec
  | FileSpec
  | HiddenSpec;

/** A form: its fields by name, in their order. */
export type InputSpec = Readonly<Record<string, ValueSpec>>;

export type Values = Record<string, unknown>;

const types = new Set([
  "text", "textarea", "number", "color", "datetime", "toggle", "triState", "select", "multiselect", "list", "object", "union", "file", "hidden",
]);

/** How deep forms may be: what a package sends is not trusted to end. */
const deepest = 16;

export const isObject = (value: unknown): value is Values => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Reads the form that a package sent. It throws where the form cannot be shown: a field of a kind that this page does not know
 * must not be left out silently.
 */
export function parseSpec(raw: unknown, depth = 0): InputSpec {
  if (!isObject(raw) || depth > deepest) throw new Error("the form cannot be read");
  for (const [name, field] of Object.entries(raw)) {
    if (!isObject(field) || typeof field["type"] !== "string" || !types.has(field["type"])) throw new Error(`the form has a field of an unknown kind: ${name}`);
    if (field["type"] === "object") parseSpec(field["spec"], depth + 1);
    if (field["type"] === "list" && (!isObject(field["spec"]) || !["text", "object"].includes(String(field["spec"]["type"])))) {
      throw new Error(`the form has a list of an unknown kind: ${name}`);
    }
    if (field["type"] === "list" && isObject(field["spec"]) && field["spec"]["type"] === "object") parseSpec(field["spec"]["spec"], depth + 1);
    if (field["type"] === "union") parseVariants(name, field["variants"], depth);
    if ((field["type"] === "select" || field["type"] === "multiselect") && !isObject(field["values"])) throw new Error(`the form has no choices for ${name}`);
  }
  return raw as InputSpec;
}

function parseVariants(name: string, variants: unknown, depth: number): void {
  if (!isObject(variants)) throw new Error(`the form has no variants for ${name}`);
  for (const variant of Object.values(variants)) {
    if (!isObject(variant)) throw new Error(`the form has a variant of ${name} that cannot be read`);
    parseSpec(variant["spec"], depth + 1);
  }
}
