import { random } from "./random.js";
import { isObject, type InputSpec, type ListSpec, type Random, type UniqueBy, type ValueSpec, type Values } from "./spec.js";

const isRandom = (value: unknown): value is Random => isObject(value) && typeof value["charset"] === "string" && typeof value["len"] === "number";

/** What a field begins with where nothing is known: its default. */
function fallback(spec: ValueSpec): unknown {
  switch (spec.type) {
    case "toggle":
      return spec.default ?? false;
    case "multiselect":
      return [...(spec.default ?? [])];
    case "list":
      return (spec.default ?? []).map((item) => (isRandom(item) ? random(item) : structuredClone(item)));
    case "object":
      return begin(spec.spec, undefined);
    case "union":
      return { selection: spec.default ?? null, value: spec.default == null ? {} : begin(spec.variants[spec.default]?.spec ?? {}, undefined) };
    case "text":
      return isRandom(spec.default) ? random(spec.default) : (spec.default ?? null);
    case "hidden":
    case "file":
      return undefined;
    default:
      return spec.default ?? null;
  }
}

function beginOne(spec: ValueSpec, known: unknown): unknown {
  if (known === undefined) return fallback(spec);
  switch (spec.type) {
    case "object":
      return begin(spec.spec, isObject(known) ? known : undefined);
    case "union": {
      if (!isObject(known) || typeof known["selection"] !== "string") return fallback(spec);
      const variant = spec.variants[known["selection"]];
      if (variant === undefined) return fallback(spec);
      return { ...known, value: begin(variant.spec, isObject(known["value"]) ? known["value"] : undefined) };
    }
    case "list": {
      if (!Array.isArray(known)) return fallback(spec);
      const item = spec.spec;
      return item.type === "object" ? known.map((v) => begin(item.spec, isObject(v) ? v : undefined)) : [...known];
    }
    case "multiselect":
      return Array.isArray(known) ? known.filter((v) => typeof v === "string") : fallback(spec);
    default:
      return known;
  }
}

/** The values a form begins with: what is known, else defaults. What the form has no field for stays as it is. */
export function begin(spec: InputSpec, known: Values | undefined): Values {
  const out: Values = { ...known };
  for (const [name, field] of Object.entries(spec)) {
    const value = beginOne(field, known?.[name]);
    if (value !== undefined) out[name] = value;
  }
  return out;
}

/** Lays what somebody proposes over what there is. */
export function over(value: unknown, proposed: unknown): unknown {
  if (proposed === undefined) return value;
  if (!isObject(value) || !isObject(proposed)) return proposed;
  const out: Values = { ...value };
  for (const [name, part] of Object.entries(proposed)) out[name] = over(value[name], part);
  return out;
}

/** What is wrong with a value: the key of a text and its values, or a package's own words. */
export interface Flaw {
  readonly key: string;
  readonly values?: Record<string, unknown>;
  readonly own?: string;
}

/** Tells whether a value matches a package's pattern. */
export type Matches = (regex: string, value: string) => boolean;

/** Finds what is wrong in a form, by the path of the field, as in "servers.0.port". */
export function check(spec: InputSpec, values: Values, matches: Matches): Map<string, Flaw> {
  const flaws = new Map<string, Flaw>();
  checkAll(spec, values, "", { flaws, matches });
  return flaws;
}

/** What a check finds, and what it asks. */
interface Found {
  readonly flaws: Map<string, Flaw>;
  readonly matches: Matches;
}

function checkAll(spec: InputSpec, values: Values, path: string, found: Found): void {
  for (const [name, field] of Object.entries(spec)) checkOne(field, values[name], path === "" ? name : `${path}.${name}`, found);
}

const empty = (value: unknown): boolean => value === null || value === undefined || value === "";

function checkOne(spec: ValueSpec, value: unknown, path: string, found: Found): void {
  const { flaws } = found;
  const wrong = (key: string, values?: Record<string, unknown>) => flaws.set(path, { key: `page.form.${key}`, ...(values ? { values } : {}) });
  switch (spec.type) {
    case "text":
    case "textarea":
      if (empty(value)) return void (spec.required && wrong("required"));
      return checkText(spec, String(value), path, found);
    case "number":
      if (empty(value)) return void (spec.required && wrong("required"));
      return checkNumber(spec, Number(value), wrong);
    case "datetime":
      if (empty(value)) return void (spec.required && wrong("required"));
      if (spec.min != null && String(value) < spec.min) wrong("min", { Min: spec.min });
      if (spec.max != null && String(value) > spec.max) wrong("max", { Max: spec.max });
      return;
    case "color":
      if (empty(value)) return void (spec.required && wrong("required"));
      if (!/^#[0-9a-f]{6}$/i.test(String(value))) wrong("color");
      return;
    case "select":
      if (typeof value !== "string" || !Object.hasOwn(spec.values, value)) wrong("choose");
      return;
    case "file":
      if (spec.required && empty(value)) wrong("required");
      return;
    case "multiselect":
      return checkCount(spec, Array.isArray(value) ? value.length : 0, wrong);
    case "list":
      return checkList(spec, Array.isArray(value) ? value : [], path, found);
    case "object":
      return checkAll(spec.spec, isObject(value) ? value : {}, path, found);
    case "union": {
      const selection = isObject(value) ? value["selection"] : undefined;
      const variant = typeof selection === "string" && Object.hasOwn(spec.variants, selection) ? spec.variants[selection] : undefined;
      if (variant === undefined) return void wrong("choose");
      const inner = isObject(value) && isObject(value["value"]) ? value["value"] : {};
      return checkAll(variant.spec, inner, `${path}.value`, found);
    }
  }
}

function checkText(
  spec: { minLength?: number | null; maxLength?: number | null; patterns?: readonly { regex: string; description: string }[] },
  value: string,
  path: string,
  { flaws, matches }: Found,
): void {
  if (spec.minLength != null && value.length < spec.minLength) flaws.set(path, { key: "page.form.min-length", values: { Min: spec.minLength } });
  else if (spec.maxLength != null && value.length > spec.maxLength) flaws.set(path, { key: "page.form.max-length", values: { Max: spec.maxLength } });
  else {
    const failed = (spec.patterns ?? []).find((pattern) => !matches(pattern.regex, value));
    if (failed !== undefined) flaws.set(path, { key: "page.form.pattern", own: failed.description });
  }
}

function checkNumber(
  spec: { min?: number | null; max?: number | null; step?: number | null; integer?: boolean },
  value: number,
  wrong: (key: string, values?: Record<string, unknown>) => void,
): void {
  if (!Number.isFinite(value)) wrong("number");
  else if (spec.integer && !Number.isInteger(value)) wrong("integer");
  else if (spec.min != null && value < spec.min) wrong("min", { Min: spec.min });
  else if (spec.max != null && value > spec.max) wrong("max", { Max: spec.max });
}

function checkCount(spec: { minLength?: number | null; maxLength?: number | null }, count: number, wrong: (key: string, values?: Record<string, unknown>) => void): void {
  if (spec.minLength != null && count < spec.minLength) wrong("min-count", { Min: spec.minLength });
  else if (spec.maxLength != null && count > spec.maxLength) wrong("max-count", { Max: spec.maxLength });
}

function checkList(spec: ListSpec, items: readonly unknown[], path: string, found: Found): void {
  const { flaws } = found;
  checkCount(spec, items.length, (key, values) => flaws.set(path, { key: `page.form.${key}`, ...(values ? { values } : {}) }));
  const item = spec.spec;
  items.forEach((value, i) => {
    const at = `${path}.${i}`;
    if (item.type === "text") {
      if (empty(value)) flaws.set(at, { key: "page.form.required" });
      else checkText(item, String(value), at, found);
    } else {
      checkAll(item.spec, isObject(value) ? value : {}, at, found);
    }
    const twice = items.slice(0, i).some((other) => (item.type === "text" ? other === value && !empty(value) : same(item.uniqueBy ?? null, other, value)));
    if (twice && !flaws.has(at)) flaws.set(at, { key: "page.form.twice" });
  });
}

/** Whether two items of a list count as the same. */
export function same(by: UniqueBy, a: unknown, b: unknown): boolean {
  if (by === null || !isObject(a) || !isObject(b)) return false;
  if (typeof by === "string") return !empty(a[by]) && a[by] === b[by];
  return "any" in by ? by.any.some((one) => same(one, a, b)) : by.all.length > 0 && by.all.every((one) => same(one, a, b));
}

/** What an item of a list is called: its template, as in "{{name}} ({{port}})", filled in. */
export function display(template: string | null | undefined, value: unknown): string {
  if (!isObject(value)) return "";
  const text = template == null ? "" : template.replace(/\{\{\{?\s*([\w.-]+)\s*\}?\}\}/g, (_, name: string) => String(value[name] ?? ""));
  return text.trim() !== "" ? text : String(Object.values(value).find((part) => typeof part === "string" && part !== "") ?? "");
}
