/** The JSON of forms, as people's clients draw them. Members are always there; null is none. */
export type FormSpec = Record<string, FieldSpec>;

export interface Pattern {
  regex: string;
  description: string;
}
/** A text to be made up: len characters of a charset such as "a-z,0-9,!". */
export interface RandomString {
  charset: string;
  len: number;
}
export type DefaultString = string | RandomString;
export type UniqueBy = null | string | { any: readonly UniqueBy[] | UniqueBy[] } | { all: readonly UniqueBy[] | UniqueBy[] };

interface Named {
  name: string;
  description: string | null;
  warning: string | null;
}
type Scalar = Named & { footnote: string | null; disabled: false | string; immutable: boolean };
export type TextMode = "text" | "email" | "tel" | "url";
export type TimeMode = "date" | "time" | "datetime-local";
interface Texts {
  patterns: Pattern[];
  minLength: number | null;
  maxLength: number | null;
  masked: boolean;
  inputmode: TextMode;
  placeholder: string | null;
  generate: null | RandomString;
}

export type TextSpec = { type: "text"; required: boolean; default: DefaultString | null } & Scalar & Texts;
export type TextareaSpec = {
  type: "textarea";
  patterns: Pattern[];
  placeholder: string | null;
  minLength: number | null;
  maxLength: number | null;
  minRows: number;
  maxRows: number;
  required: boolean;
  default: string | null;
} & Scalar;
export type NumberSpec = {
  type: "number";
  min: number | null;
  max: number | null;
  integer: boolean;
  step: number | null;
  units: string | null;
  placeholder: string | null;
  required: boolean;
  default: number | null;
} & Scalar;
export type ColorSpec = { type: "color"; required: boolean; default: string | null } & Scalar;
export type DatetimeSpec = { type: "datetime"; required: boolean; inputmode: TimeMode; min: string | null; max: string | null; step: null; default: string | null } & Scalar;
export type ToggleSpec = { type: "toggle"; default: boolean | null } & Scalar;
export type TriStateSpec = { type: "triState"; default: boolean | null } & Scalar;
type Choice = { values: Record<string, string>; disabled: false | string | string[] } & Omit<Scalar, "disabled">;
export type SelectSpec = { type: "select"; default: string | null } & Choice;
export type MultiselectSpec = { type: "multiselect"; minLength: number | null; maxLength: number | null; default: string[] } & Choice;
export type ObjectSpec = { type: "object"; spec: FormSpec } & Named;
export type FileSpec = { type: "file"; extensions: string[]; required: boolean } & Named;
export type UnionSpec = {
  type: "union";
  variants: Record<string, { name: string; spec: FormSpec }>;
  disabled: false | string | string[];
  default: string | null;
  immutable: boolean;
} & Named;
export interface HiddenSpec {
  type: "hidden";
}
export type TextItems = { type: "text" } & Texts;
export type ObjectItems = { type: "object"; spec: FormSpec; uniqueBy: UniqueBy; displayAs: string | null };
export type ListSpecOf<Items> = {
  type: "list";
  spec: Items;
  minLength: number | null;
  maxLength: number | null;
  disabled: false | string;
  default: readonly string[] | readonly DefaultString[] | readonly Record<string, unknown>[];
} & Named;
export type ListSpec = ListSpecOf<TextItems> | ListSpecOf<ObjectItems>;

interface Specs {
  text: TextSpec;
  textarea: TextareaSpec;
  number: NumberSpec;
  color: ColorSpec;
  datetime: DatetimeSpec;
  toggle: ToggleSpec;
  triState: TriStateSpec;
  select: SelectSpec;
  multiselect: MultiselectSpec;
  list: ListSpec;
  object: ObjectSpec;
  file: FileSpec;
  union: UnionSpec;
  hidden: HiddenSpec;
}
export type FieldType = keyof Specs;
export type FieldSpecOf<T extends FieldType> = Specs[T];
export type FieldSpec = Specs[FieldType];
