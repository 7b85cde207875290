import { field, form, randomText } from "@hearthos/sdk/form/index";
import type { AnyField } from "@hearthos/sdk/form/field";
import type { Form } from "@hearthos/sdk/form/form";
import type { DefaultString, UniqueBy } from "@hearthos/sdk/form/spec";
import { InvalidError } from "@hearthos/sdk/schema";
import { isRecord } from "@hearthos/sdk/values";
import { rangeOf, type Range } from "./range.js";

// A description comes from the package's code and may be anything.
const maxDepth = 16;
const maxFields = 4096;
const maxText = 64 << 10;
const maxMadeUp = 4096;

/**
 * How a value is described that people see in another form than the package does. What has no field, because it is a pointer
 * or of a kind that is not known, keeps the value it had.
 */
interface Entry {
  field: AnyField;
  /** The value for the form; undefined for one that the form could not hold. */
  shown(value: unknown): unknown;
  /** The value for the package. */
  told(value: unknown, before: unknown): unknown;
}

/** A configuration as a form. */
export interface Described {
  form: Form<Record<string, unknown>>;
  /** The value of the form that a configuration is. */
  shown(config: Record<string, unknown>): Record<string, unknown>;
  /** The configuration that a value of the form makes of one that was there. */
  told(value: Record<string, unknown>, before: Record<string, unknown>): Record<string, unknown>;
}

/**
 * Makes a form of the description of a configuration. It answers for each description: what it cannot understand of one has no
 * field, and more of it than a form may have is refused.
 */
export function describeConfig(spec: unknown): Described {
  return new Reader().object(spec, 0);
}

/** A member of an object by its name, which may be any. */
export function member(of: unknown, key: string): unknown {
  return isRecord(of) && Object.hasOwn(of, key) ? of[key] : undefined;
}

class Reader {
  #fields = 0;

  object(spec: unknown, depth: number): Described {
    const entries = new Map<string, Entry>();
    for (const [key, one] of Object.entries(isRecord(spec) ? spec : {})) {
      if (++this.#fields > maxFields || depth > maxDepth) throw new Error("the package describes more of a configuration than a form can hold");
      const entry = isRecord(one) ? this.#entry(one, depth) : null;
      if (entry) entries.set(key, entry);
    }
    const each = <T>(fn: (entry: Entry, key: string) => T) => [...entries].map(([key, entry]) => [key, fn(entry, key)] as const);
    return {
      form: form(Object.fromEntries(each((entry) => entry.field))) as unknown as Form<Record<string, unknown>>,
      shown: (config) => Object.fromEntries(each((entry, key) => entry.shown(member(config, key))).filter(([, value]) => value !== undefined)),
      told: (value, before) => Object.fromEntries([...Object.entries(isRecord(before) ? before : {}), ...each((entry, key) => entry.told(member(value, key), member(before, key)))].filter(([, one]) => one !== undefined)),
    };
  }

  #entry(spec: Record<string, unknown>, depth: number): Entry | null {
    switch (spec["type"]) {
      case "string":
        return textEntry(spec);
      case "number":
        return numberEntry(spec);
      case "boolean":
        return same(field.toggle({ ...named(spec), default: spec["default"] === true }), (value) => typeof value === "boolean");
      case "enum":
        return enumEntry(spec);
      case "object":
        return this.#objectEntry(spec, depth);
      case "union":
        return this.#unionEntry(spec, depth);
      case "list":
        return this.#listEntry(spec, depth);
    }
    return null; // a pointer, whose value the host finds, or what nobody knows
  }

  #objectEntry(spec: Record<string, unknown>, depth: number): Entry {
    const inner = this.object(spec["spec"], depth + 1);
    return {
      field: field.object(named(spec), inner.form),
      shown: (value) => inner.shown(isRecord(value) ? value : {}),
      told: (value, before) => inner.told(isRecord(value) ? value : {}, isRecord(before) ? before : {}),
    };
  }

  // The package has the choice as a member of what was chosen.
  #unionEntry(spec: Record<string, unknown>, depth: number): Entry | null {
    const tag = isRecord(spec["tag"]) ? spec["tag"] : {};
    const id = string(tag["id"]);
    const variants = new Map<string, Described>();
    for (const [key, one] of Object.entries(isRecord(spec["variants"]) ? spec["variants"] : {})) variants.set(key, this.object(one, depth + 1));
    const first = [...variants.keys()][0];
    if (!id || first === undefined) return null;
    const standard = spec["default"] !== undefined && variants.has(String(spec["default"])) ? String(spec["default"]) : first;
    const forms = Object.fromEntries([...variants].map(([key, { form: inner }]) => [key, { name: string(member(tag["variant-names"], key)) || key, spec: inner }]));
    return {
      field: field.union({ ...named({ ...spec, ...tag }), variants: forms, default: standard }),
      shown: (value) => {
        const chosen = member(value, id);
        const inner = typeof chosen === "string" ? variants.get(chosen) : undefined;
        return inner && isRecord(value) ? { selection: chosen, value: inner.shown(value) } : undefined;
      },
      told: (value, before) => {
        const selection = String(member(value, "selection"));
        const inner = variants.get(selection);
        if (!inner) return before;
        const [told, old] = [member(value, "value"), member(before, id) === selection && isRecord(before) ? before : {}];
        return { ...inner.told(isRecord(told) ? told : {}, old), [id]: selection };
      },
    };
  }

  #listEntry(spec: Record<string, unknown>, depth: number): Entry | null {
    const inner = isRecord(spec["spec"]) ? spec["spec"] : {};
    const lengths = lengthsOf(rangeOf(spec["range"]));
    const standard = Array.isArray(spec["default"]) ? spec["default"] : [];
    switch (spec["subtype"]) {
      case "string":
        return same(field.texts({ ...named(spec), ...entriesOf(lengths), ...textOptions(inner), default: standard.filter(isText) }), isTexts);
      case "number":
        return numbersEntry(spec, inner, lengths, standard);
      case "enum": {
        const values = valuesOf(inner);
        if (Object.keys(values).length === 0) return null;
        const known = (one: unknown): one is string => typeof one === "string" && Object.hasOwn(values, one);
        return same(field.multiselect({ ...named(spec), ...lengths, values, default: standard.filter(known) }), (value) => Array.isArray(value) && value.every(known));
      }
      case "object":
        return this.#objectsEntry(spec, inner, this.object(inner["spec"], depth + 1), standard, lengths);
      case "union": {
        const tag = isRecord(inner["tag"]) ? inner["tag"] : {};
        const entry = this.#unionEntry({ ...inner, default: undefined }, depth + 1);
        return entry && this.#objectsEntry(spec, inner, wrapped(string(tag["id"]), entry), standard, lengths);
      }
    }
    return null;
  }

  #objectsEntry(spec: Record<string, unknown>, inner: Record<string, unknown>, of: Described, standard: unknown[], lengths: Lengths): Entry {
    const displayAs = string(inner["display-as"]);
    const uniqueBy = uniqueOf(inner["unique-by"], 0);
    return {
      field: field.objects({ ...named(spec), ...lengths, of: of.form, default: standard.filter(isRecord).map(of.shown), ...(displayAs ? { displayAs } : {}), ...(uniqueBy === null ? {} : { uniqueBy }) }),
      shown: (value) => (Array.isArray(value) ? value.filter(isRecord).map(of.shown) : undefined),
      told: (value, before) => (Array.isArray(value) ? value.map((one, i) => of.told(isRecord(one) ? one : {}, olderOf(before, i))) : before),
    };
  }
}

// The entries of a list have no names: one is taken for the one that was at its place.
function olderOf(before: unknown, i: number): Record<string, unknown> {
  const one: unknown = Array.isArray(before) ? before[i] : undefined;
  return isRecord(one) ? one : {};
}

/** A choice as the only field of a form, for lists of them. */
function wrapped(id: string, entry: Entry): Described {
  return {
    form: form({ [id]: entry.field }) as unknown as Form<Record<string, unknown>>,
    shown: (value) => ({ [id]: entry.shown(value) }),
    told: (value, before) => (entry.told(member(value, id), before) as Record<string, unknown> | undefined) ?? {},
  };
}

/** A field whose value is the package's own, where it is one. */
function same(of: AnyField, fits: (value: unknown) => boolean): Entry {
  return { field: of, shown: (value) => (fits(value) ? value : undefined), told: (value) => value };
}

interface Lengths {
  minLength: number | null;
  maxLength: number | null;
}

function lengthsOf({ min, max }: Range): Lengths {
  return { minLength: min === null ? null : Math.max(0, Math.ceil(min.exclusive ? min.at + 1 : min.at)), maxLength: max === null ? null : Math.max(0, Math.floor(max.exclusive ? max.at - 1 : max.at)) };
}
function entriesOf({ minLength, maxLength }: Lengths) {
  return { ...(minLength === null ? {} : { minEntries: minLength }), ...(maxLength === null ? {} : { maxEntries: maxLength }) };
}

function string(value: unknown): string {
  return typeof value === "string" ? value.slice(0, maxText) : "";
}
const isText = (value: unknown): value is string => typeof value === "string";
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText);

function named(spec: Record<string, unknown>) {
  return { name: string(spec["name"]), description: string(spec["description"]) || null, warning: string(spec["warning"]) || null };
}

function textOptions(spec: Record<string, unknown>) {
  const regex = string(spec["pattern"]);
  const patterns = regex && usable(regex) ? [{ regex, description: string(spec["pattern-description"]) || `must match ${regex}` }] : [];
  return { masked: spec["masked"] === true, placeholder: string(spec["placeholder"]) || null, patterns };
}

// Patterns were those of another engine, which knows what this one does not.
function usable(regex: string): boolean {
  try {
    new RegExp(regex);
    return true;
  } catch {
    return false;
  }
}

function textEntry(spec: Record<string, unknown>): Entry {
  const required = spec["nullable"] !== true;
  const fits = (value: unknown) => isText(value) || (value === null && !required);
  if (spec["textarea"] === true) {
    const { masked: _, ...options } = textOptions(spec);
    return same(field.textarea({ ...named(spec), ...options, required, default: isText(spec["default"]) ? spec["default"] : null }), fits);
  }
  return same(field.text({ ...named(spec), ...textOptions(spec), required, default: defaultText(spec["default"]) }), fits);
}

function defaultText(value: unknown): DefaultString | null {
  if (isText(value)) return value;
  const [charset, len] = [member(value, "charset") ?? "a-z,A-Z,0-9", member(value, "len")];
  if (!isText(charset) || charset.length > 256 || typeof len !== "number" || !(len >= 1 && len <= maxMadeUp)) return null;
  try {
    randomText({ charset, len: 1 });
    return { charset, len: Math.floor(len) };
  } catch {
    return null; // there is nothing in it to make a text of
  }
}

function numberEntry(spec: Record<string, unknown>): Entry {
  const range = rangeOf(spec["range"]);
  const integer = spec["integral"] === true;
  const required = spec["nullable"] !== true;
  // Of whole numbers an open end is the next one; of others there is none, and it is looked at by itself.
  const bound = (end: Range["min"], step: number) => (end === null ? null : integer ? (end.exclusive ? end.at + step : end.at) : end.at);
  const number = field.number({
    ...named(spec), integer, required, min: bound(range.min, 1), max: bound(range.max, -1), units: string(spec["units"]) || null,
    default: finite(spec["default"]), placeholder: spec["placeholder"] == null ? null : String(spec["placeholder"]).slice(0, maxText),
  });
  const checked = integer ? number : number.map((value) => within(value, range));
  return same(checked as AnyField, (value) => finite(value) !== null || (value === null && !required));
}

function within(value: unknown, { min, max }: Range): unknown {
  if (typeof value !== "number") return value;
  if (min && value < min.at) throw new InvalidError([{ message: `must be at least ${min.at}` }]);
  if (max && value > max.at) throw new InvalidError([{ message: `must be at most ${max.at}` }]);
  if (min?.exclusive && value <= min.at) throw new InvalidError([{ message: `must be more than ${min.at}` }]);
  if (max?.exclusive && value >= max.at) throw new InvalidError([{ message: `must be less than ${max.at}` }]);
  return value;
}

function finite(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function enumEntry(spec: Record<string, unknown>): Entry | null {
  const values = valuesOf(spec);
  const first = Object.keys(values)[0];
  if (first === undefined) return null;
  const known = (value: unknown): value is string => typeof value === "string" && Object.hasOwn(values, value);
  return same(field.select({ ...named(spec), values, default: known(spec["default"]) ? spec["default"] : first }), known);
}

function valuesOf(spec: Record<string, unknown>): Record<string, string> {
  const values = Array.isArray(spec["values"]) ? spec["values"].filter(isText).slice(0, maxFields) : [];
  return Object.fromEntries(values.map((value) => [value, string(member(spec["value-names"], value)) || value]));
}

// Numbers of a list are written as texts.
function numbersEntry(spec: Record<string, unknown>, inner: Record<string, unknown>, lengths: Lengths, standard: unknown[]): Entry {
  const [pattern, description] = inner["integral"] === true ? ["^[-+]?[0-9]+$", "must be a whole number"] : ["^[-+]?[0-9]*\\.?[0-9]+$", "must be a number"];
  const range = rangeOf(inner["range"]);
  const texts = (list: unknown[]) => list.filter((one) => finite(one) !== null).map(String);
  const list = field.texts({ ...named(spec), ...entriesOf(lengths), patterns: [{ regex: pattern, description }], default: texts(standard) });
  return {
    field: list.map((value) => (value.forEach((one) => within(Number(one), range)), value)) as AnyField,
    shown: (value) => (Array.isArray(value) ? texts(value) : undefined),
    told: (value, before) => (isTexts(value) ? (value as string[]).map(Number) : before),
  };
}

function uniqueOf(value: unknown, depth: number): UniqueBy {
  if (isText(value)) return value;
  for (const how of ["any", "all"] as const) {
    const list = member(value, how);
    if (Array.isArray(list) && depth < maxDepth) return { [how]: list.slice(0, 64).map((one) => uniqueOf(one, depth + 1)) } as UniqueBy;
  }
  return null;
}
