import { InvalidError, parse, type Issue, type Schema } from "../schema.js";
import { deepEqual, isRecord } from "../values.js";
import type { DeepPartial } from "../wire.js";
import { at, Field, refuse, type AnyForm, type Built, type Lazy, type Read } from "./field.js";
import type { Form, FormStatic, FormValue } from "./form.js";
import { matches } from "./matching.js";
import type * as S from "./spec.js";

/** The value of a field that need not be filled in may be null. */
export type AsRequired<T, Required extends boolean> = Required extends true ? T : T | null;
export interface FileInfo {
  path: string;
  commitment: { hash: string; size: number };
}

interface Named {
  name: string;
  description?: string | null;
  warning?: string | null;
}
interface Noted extends Named {
  footnote?: string | null;
}
/** What can be said of a field when it is made at run time, and (immutable) only before. */
interface Scalar extends Noted {
  immutable?: boolean;
  disabled?: false | string;
}
interface Lengths {
  minLength?: number | null;
  maxLength?: number | null;
}
export interface TextItemOptions extends Lengths {
  masked?: boolean;
  placeholder?: string | null;
  patterns?: S.Pattern[];
  inputmode?: S.TextMode;
  generate?: S.RandomString | null;
}
export type TextOptions<R extends boolean> = Scalar & TextItemOptions & { default?: S.DefaultString | null; required?: R };
export type TextareaOptions<R extends boolean> = Scalar &
  Lengths & { default?: string | null; required?: R; patterns?: S.Pattern[]; minRows?: number; maxRows?: number; placeholder?: string | null };
export type NumberOptions<R extends boolean> = Scalar & {
  default?: number | null;
  required?: R;
  min?: number | null;
  max?: number | null;
  step?: number | null;
  integer?: boolean;
  units?: string | null;
  placeholder?: string | null;
};
export type ColorOptions<R extends boolean> = Scalar & { default?: string | null; required?: R };
export type DatetimeOptions<R extends boolean> = ColorOptions<R> & { inputmode?: S.TimeMode; min?: string | null; max?: string | null };
export type ToggleOptions = Scalar & { default: boolean };
export type TriStateOptions = Scalar & { default?: boolean | null };
export type Values = Record<string, string>;
type Choice<V extends Values> = Noted & { values: V; immutable?: boolean; disabled?: false | string | string[] };
export type SelectOptions<V extends Values, D extends string = keyof V & string> = Choice<V> & { default: D };
export type MultiselectOptions<V extends Values, D extends string = keyof V & string> = Choice<V> & Lengths & { default: D[] };
export type FileOptions<R extends boolean> = Named & { extensions: string[]; required?: R };
export type ListOptions = Named & Lengths & { disabled?: false | string };

type Built1<T> = Lazy<Built<T>, any>;

function fixed<T>(built: Built<T>): Field<T> {
  return new Field<T>(() => built, built.read);
}
function named(o: Named) {
  return { name: o.name, description: o.description ?? null, warning: o.warning ?? null };
}
function scalar(o: Scalar) {
  return { ...named(o), footnote: o.footnote ?? null, disabled: o.disabled ?? (false as const), immutable: o.immutable ?? false };
}
function choice(o: Choice<Values>) {
  return { ...named(o), footnote: o.footnote ?? null, values: o.values, disabled: o.disabled ?? (false as const), immutable: o.immutable ?? false };
}
function texts(o: TextItemOptions) {
  return {
    masked: o.masked ?? false,
    placeholder: o.placeholder ?? null,
    minLength: o.minLength ?? null,
    maxLength: o.maxLength ?? null,
    patterns: o.patterns ?? [],
    inputmode: o.inputmode ?? ("text" as const),
    generate: o.generate ?? null,
  };
}

function maybe<T>(required: boolean | undefined, read: Read<T>): Read<T | null> {
  return (value) => {
    if (value === null || value === undefined) return (required ?? true) ? refuse("is needed") : null;
    return read(value);
  };
}
function count(length: number, o: Lengths, one: string, many: string): void {
  if (o.minLength != null && length < o.minLength) refuse(`needs at least ${o.minLength} ${o.minLength === 1 ? one : many}`);
  if (o.maxLength != null && length > o.maxLength) refuse(`has more than ${o.maxLength} ${o.maxLength === 1 ? one : many}`);
}
function readText(o: Lengths & { patterns?: S.Pattern[] }): Read<string> {
  // Of the many texts of one form none is tried where one was given up, or each would take as long.
  let slow = false;
  return (value) => {
    if (typeof value !== "string") return refuse("must be a text");
    count([...value].length, o, "character", "characters");
    for (const { regex, description } of o.patterns ?? []) {
      const fits = slow ? null : matches(regex, value);
      if (fits === false) refuse(description);
      if (fits !== null) continue;
      if (!slow) queueMicrotask(() => (slow = false));
      slow = true;
      refuse(`takes too long to be checked (${description})`);
    }
    return value;
  };
}
function readNumber(o: { min?: number | null; max?: number | null; integer?: boolean }): Read<number> {
  return (value) => {
    if (typeof value !== "number" || !Number.isFinite(value)) return refuse("must be a number");
    if (o.integer && !Number.isInteger(value)) refuse("must be a whole number");
    if (o.min != null && value < o.min) refuse(`must be at least ${o.min}`);
    if (o.max != null && value > o.max) refuse(`must be at most ${o.max}`);
    return value;
  };
}
const readAnyText: Read<string | null> = maybe(false, readText({}));
const readBoolean: Read<boolean> = (value) => (typeof value === "boolean" ? value : refuse("must be yes or no"));
const readColor: Read<string> = (value) => (typeof value === "string" && /^#[0-9a-fA-F]{6}$/.test(value) ? value : refuse("must be a colour like #rrggbb"));
const readKey =
  (values?: Values): Read<string> =>
  (value) =>
    typeof value === "string" && (!values || Object.hasOwn(values, value)) ? value : refuse(values ? `must be one of ${Object.keys(values).join(", ")}` : "must be a text");
const readFile: Read<FileInfo> = (value) => {
  const commitment = isRecord(value) ? value["commitment"] : undefined;
  if (!isRecord(value) || typeof value["path"] !== "string" || !isRecord(commitment)) return refuse("must be a file");
  if (typeof commitment["hash"] !== "string" || typeof commitment["size"] !== "number") return refuse("must be a file");
  return { path: value["path"], commitment: { hash: commitment["hash"], size: commitment["size"] } };
};
function readItems<T>(o: Lengths, read: Read<T>): Read<T[]> {
  return (value) => {
    if (!Array.isArray(value)) return refuse("must be a list");
    count(value.length, o, "entry", "entries");
    const issues: Issue[] = [];
    const items = value.map((item, i) => at(i, issues, () => read(item)) as T);
    if (issues.length > 0) throw new InvalidError(issues);
    return items;
  };
}

/** Makes a field whose options are made at run time; static tells what its value can be whatever they are. */
function dynamic<O, T, St, Outer>(get: Lazy<O, Outer>, make: (options: O) => Field<T, any, any>, read: Read<St>): Field<T, St, Outer> {
  return new Field<T, St, Outer>(async (options) => make(await get(options)).build(options), read);
}

export function text<R extends boolean = true>(o: TextOptions<R>): Field<AsRequired<string, R>> {
  const spec: S.TextSpec = { type: "text", ...scalar(o), ...texts(o), required: o.required ?? true, default: o.default ?? null };
  return fixed({ spec, read: maybe(o.required, readText(o)) as Read<AsRequired<string, R>> });
}
export function textarea<R extends boolean = true>(o: TextareaOptions<R>): Field<AsRequired<string, R>> {
  const { masked: _m, inputmode: _i, generate: _g, ...common } = texts(o);
  const spec: S.TextareaSpec = { type: "textarea", ...scalar(o), ...common, minRows: o.minRows ?? 3, maxRows: o.maxRows ?? 6, required: o.required ?? true, default: o.default ?? null };
  return fixed({ spec, read: maybe(o.required, readText(o)) as Read<AsRequired<string, R>> });
}
export function number<R extends boolean = true>(o: NumberOptions<R>): Field<AsRequired<number, R>> {
  const { min = null, max = null, step = null, units = null, placeholder = null } = o;
  const spec: S.NumberSpec = { type: "number", ...scalar(o), min, max, step, units, placeholder, integer: o.integer ?? false, required: o.required ?? true, default: o.default ?? null };
  return fixed({ spec, read: maybe(o.required, readNumber(o)) as Read<AsRequired<number, R>> });
}
export function color<R extends boolean = true>(o: ColorOptions<R>): Field<AsRequired<string, R>> {
  const spec: S.ColorSpec = { type: "color", ...scalar(o), required: o.required ?? true, default: o.default ?? null };
  return fixed({ spec, read: maybe(o.required, readColor) as Read<AsRequired<string, R>> });
}
export function datetime<R extends boolean = true>(o: DatetimeOptions<R>): Field<AsRequired<string, R>> {
  const spec: S.DatetimeSpec = { type: "datetime", ...scalar(o), required: o.required ?? true, inputmode: o.inputmode ?? "datetime-local", min: o.min ?? null, max: o.max ?? null, step: null, default: o.default ?? null };
  return fixed({ spec, read: maybe(o.required, readText({})) as Read<AsRequired<string, R>> });
}
export function toggle(o: ToggleOptions): Field<boolean> {
  return fixed({ spec: { type: "toggle", ...scalar(o), default: o.default }, read: readBoolean });
}
export function triState(o: TriStateOptions): Field<boolean | null> {
  return fixed({ spec: { type: "triState", ...scalar(o), default: o.default ?? null }, read: maybe(false, readBoolean) });
}
export function select<const V extends Values>(o: SelectOptions<V>): Field<keyof V & string> {
  const spec: S.SelectSpec = { type: "select", ...choice(o), default: o.default };
  return fixed({ spec, read: readKey(o.values) as Read<keyof V & string> });
}
export function multiselect<const V extends Values>(o: MultiselectOptions<V>): Field<(keyof V & string)[]> {
  const spec: S.MultiselectSpec = { type: "multiselect", ...choice(o), minLength: o.minLength ?? null, maxLength: o.maxLength ?? null, default: o.default };
  return fixed({ spec, read: readItems(o, readKey(o.values)) as Read<(keyof V & string)[]> });
}
export function file<R extends boolean = true>(o: FileOptions<R>): Field<AsRequired<FileInfo, R>> {
  const spec: S.FileSpec = { type: "file", ...named(o), extensions: o.extensions, required: o.required ?? true };
  return fixed({ spec, read: maybe(o.required, readFile) as Read<AsRequired<FileInfo, R>> });
}

/** A field that people do not see; a schema says what it holds. */
export function hidden<T = any>(of?: Schema<T>): Field<T> {
  return fixed({ spec: { type: "hidden" }, read: (value) => (of ? parse(of, value) : (value as T)) });
}

/** Fields within a field. */
export function object<F extends AnyForm>(o: { name: string; description?: string | null; warning?: string | null }, form: F): Field<F["_TYPE"], F["_STATIC"]> {
  const whole = form as unknown as Form<any, any>;
  const build: Built1<F["_TYPE"]> = async (options) => {
    const { spec, validator } = await form.build(options);
    return { spec: { type: "object", ...named(o), spec }, read: (value) => parse(validator, value) };
  };
  return new Field<any, any>(build, form.read, (value) => (value === undefined ? undefined : form.readPartial(value)), {
    filter: (keys, keep) => object(o, whole.filter(keys as never, keep)),
    disable: (keys, message) => object(o, whole.disable(keys as never, message)),
  });
}

export type VariantForms = { [K in string]: { name: string; spec: AnyForm } };
export type UnionValue<V extends VariantForms, K extends keyof V & string = keyof V & string> = {
  [key in keyof V]: { selection: key; value: FormValue<V[key]["spec"]>; other?: { [other in Exclude<keyof V & string, key>]?: DeepPartial<FormValue<V[other]["spec"]>> } };
}[K];
export type UnionStatic<V extends VariantForms, K extends keyof V & string = keyof V & string> = {
  [key in keyof V]: { selection: key; value: FormStatic<V[key]["spec"]>; other?: { [other in Exclude<keyof V & string, key>]?: DeepPartial<FormStatic<V[other]["spec"]>> } };
}[K];

/** Forms of which one is chosen. */
export class Variants<V extends VariantForms, _Outer = unknown> {
  declare readonly _TYPE: UnionValue<V>;
  private constructor(readonly forms: V) {}
  static of<V extends VariantForms>(forms: V): Variants<V> {
    return new Variants(forms);
  }
}
export type UnionOptions<V extends VariantForms> = Named & { variants: Variants<V>; default: keyof V & string; immutable?: boolean; disabled?: false | string | string[] };

function readUnion(readers: Record<string, Read<unknown>>): Read<any> {
  return (value) => {
    if (!isRecord(value)) return refuse("must be a choice");
    const issues: Issue[] = [];
    const selection = at("selection", issues, () => (typeof value["selection"] === "string" && Object.hasOwn(readers, value["selection"]) ? value["selection"] : refuse(`must be one of ${Object.keys(readers).join(", ")}`)));
    const inner = selection === undefined ? undefined : at("value", issues, () => readers[selection]!(value["value"]));
    if (issues.length > 0) throw new InvalidError(issues);
    return { selection, value: inner, ...(isRecord(value["other"]) ? { other: value["other"] } : {}) };
  };
}
const mapForms = <T>(forms: VariantForms, fn: (form: AnyForm) => T) => Object.fromEntries(Object.entries(forms).map(([key, { spec }]) => [key, fn(spec)]));

export function union<V extends VariantForms>(o: UnionOptions<V>): Field<UnionValue<V>, UnionStatic<V>> {
  const { forms } = o.variants;
  const build: Built1<UnionValue<V>> = async (options) => {
    const variants: S.UnionSpec["variants"] = {};
    const readers: Record<string, Read<unknown>> = {};
    for (const [key, { name, spec: form }] of Object.entries(forms)) {
      const { spec, validator } = await form.build(options);
      variants[key] = { name, spec };
      readers[key] = (value) => parse(validator, value);
    }
    const spec: S.UnionSpec = { type: "union", ...named(o), variants, disabled: o.disabled ?? false, default: o.default, immutable: o.immutable ?? false };
    return { spec, read: readUnion(readers) };
  };
  const partial = readUnion(mapForms(forms, (form) => form.readPartial));
  return new Field<any, any>(build, readUnion(mapForms(forms, (form) => form.read)), (value) => (isRecord(value) && "selection" in value ? partial({ value: {}, ...value }) : value));
}

/** The entries of a list field: texts, or objects with a form each. */
export class List<in out T, in out St = T, in out Outer = unknown> {
  declare readonly _TYPE: T;
  constructor(readonly field: Field<T, St, Outer>) {}
}
export function listOfTexts(o: ListOptions & { default?: string[] }, items: TextItemOptions = {}): List<string[]> {
  const spec: S.ListSpec = { type: "list", ...named(o), minLength: o.minLength ?? null, maxLength: o.maxLength ?? null, disabled: o.disabled ?? false, default: o.default ?? [], spec: { type: "text", ...texts(items) } };
  return new List(fixed({ spec, read: readItems(o, readText(items)) }));
}
export function listOfObjects<F extends AnyForm>(
  o: ListOptions & { default?: readonly Record<string, unknown>[] },
  items: { spec: F; displayAs?: null | string; uniqueBy?: null | S.UniqueBy },
): List<F["_TYPE"][], F["_STATIC"][]> {
  type T = F["_TYPE"];
  const uniqueBy = items.uniqueBy ?? null;
  const unique =
    <I>(read: Read<I[]>): Read<I[]> =>
    (value) => {
      const list = read(value);
      list.forEach((item, i) => list.slice(0, i).forEach((other) => alike(uniqueBy, item, other) && refuse(`entry ${i + 1} is there twice`)));
      return list;
    };
  const build: Built1<T[]> = async (options) => {
    const { spec, validator } = await items.spec.build(options);
    const list: S.ListSpec = { type: "list", ...named(o), minLength: o.minLength ?? null, maxLength: o.maxLength ?? null, disabled: o.disabled ?? false, default: o.default ?? [], spec: { type: "object", spec, displayAs: items.displayAs ?? null, uniqueBy } };
    return { spec: list, read: unique(readItems<T>(o, (value) => parse(validator, value))) };
  };
  return new List(new Field<any, any>(build, unique(readItems<F["_STATIC"]>(o, items.spec.read))));
}
function alike(by: S.UniqueBy, a: unknown, b: unknown): boolean {
  if (by === null || !isRecord(a) || !isRecord(b)) return false;
  if (typeof by === "string") return deepEqual(a[by], b[by]);
  return "any" in by ? by.any.some((one) => alike(one, a, b)) : by.all.every((one) => alike(one, a, b));
}
export function list<T, St = T, Outer = unknown>(of: List<T, St, Outer>): Field<T, St, Outer> {
  return of.field;
}

/** The kinds again, for options that are made when the form is: from what is installed, or from what is filled in. */
export const made = {
  text: <R extends boolean = true, Outer = unknown>(get: Lazy<TextOptions<R>, Outer>): Field<AsRequired<string, R>, string | null, Outer> => dynamic(get, text, readAnyText),
  textarea: <R extends boolean = true, Outer = unknown>(get: Lazy<TextareaOptions<R>, Outer>): Field<AsRequired<string, R>, string | null, Outer> => dynamic(get, textarea, readAnyText),
  number: <R extends boolean = true, Outer = unknown>(get: Lazy<NumberOptions<R>, Outer>): Field<AsRequired<number, R>, number | null, Outer> => dynamic(get, number, maybe(false, readNumber({}))),
  color: <R extends boolean = true, Outer = unknown>(get: Lazy<ColorOptions<R>, Outer>): Field<AsRequired<string, R>, string | null, Outer> => dynamic(get, color, readAnyText),
  datetime: <R extends boolean = true, Outer = unknown>(get: Lazy<DatetimeOptions<R>, Outer>): Field<AsRequired<string, R>, string | null, Outer> => dynamic(get, datetime, readAnyText),
  toggle: <Outer = unknown>(get: Lazy<ToggleOptions, Outer>): Field<boolean, boolean, Outer> => dynamic(get, toggle, readBoolean),
  triState: <Outer = unknown>(get: Lazy<TriStateOptions, Outer>): Field<boolean | null, boolean | null, Outer> => dynamic(get, triState, maybe(false, readBoolean)),
  select: <V extends Values, Outer = unknown>(get: Lazy<SelectOptions<V, string>, Outer>): Field<keyof V & string, keyof V & string, Outer> =>
    dynamic<SelectOptions<V, string>, keyof V & string, keyof V & string, Outer>(get, (o) => select(o as SelectOptions<V>), readKey() as Read<keyof V & string>),
  multiselect: <V extends Values, Outer = unknown>(get: Lazy<MultiselectOptions<V, string>, Outer>): Field<(keyof V & string)[], (keyof V & string)[], Outer> =>
    dynamic<MultiselectOptions<V, string>, (keyof V & string)[], (keyof V & string)[], Outer>(get, (o) => multiselect(o as MultiselectOptions<V>), readItems({}, readKey()) as Read<(keyof V & string)[]>),
  file: <R extends boolean = true, Outer = unknown>(get: Lazy<FileOptions<R>, Outer>): Field<AsRequired<FileInfo, R>, FileInfo | null, Outer> => dynamic(get, file, maybe(false, readFile)),
  union: <V extends VariantForms, Outer = unknown>(get: Lazy<UnionOptions<V>, Outer>, known?: Schema<any>): Field<UnionValue<V>, any, Outer> =>
    dynamic<UnionOptions<V>, any, any, Outer>(get, union, (value) => (known ? parse(known, value) : isRecord(value) ? value : refuse("must be a choice"))),
  hidden: <T, Outer = unknown>(get: Lazy<Schema<T>, Outer>): Field<T, T, Outer> => dynamic<Schema<T>, T, T, Outer>(get, hidden, (value) => value as T),
  listOfTexts: <Outer = unknown>(get: Lazy<ListOptions & { default?: string[]; generate?: S.RandomString | null; spec: TextItemOptions }, Outer>): List<string[], string[], Outer> =>
    new List(dynamic(get, (o) => listOfTexts(o, { ...o.spec, generate: o.spec.generate ?? o.generate ?? null }).field, readItems({}, readText({})))),
};
