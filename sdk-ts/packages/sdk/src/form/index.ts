import type { AnyForm } from "./field.js";
import type { RandomString, UniqueBy } from "./spec.js";
import { Form, type Fields, type StaticOf, type TypeOf } from "./form.js";
import * as kinds from "./kinds.js";

export { Field, type AnyForm, type BuildOptions, type Lazy } from "./field.js";
export { Form, type FormStatic, type FormValue } from "./form.js";
export { List, Variants, type AsRequired, type FileInfo, type UnionStatic, type UnionValue } from "./kinds.js";
export type { FieldSpec, FormSpec, Pattern, RandomString, UniqueBy } from "./spec.js";

/**
 * Makes a form of fields.
 * @example
 * const person = form({ name: field.text({ name: "Your name", maxLength: 40 }), admin: field.toggle({ name: "Administrator", default: false }) });
 * assert.deepEqual(person.read({ name: "Ada", admin: true }), { name: "Ada", admin: true });
 */
export function form<F extends Fields>(fields: F): Form<TypeOf<F>, StaticOf<F>> {
  return new Form<any, any>(fields);
}

const { text, textarea, number, color, datetime, toggle, triState, select, multiselect, file, hidden, object, union, list, listOfTexts, listOfObjects, made } = kinds;

/**
 * The kinds of fields. What is not required may be null. `made` has those whose options are made when the form is.
 * @example
 * const settings = form({
 *   name: field.text({ name: "Name", default: "Ada", patterns: [patterns.ascii] }),
 *   about: field.textarea({ name: "About", required: false }),
 *   size: field.number({ name: "Size", default: 3, min: 1, integer: true }),
 *   colour: field.color({ name: "Colour", default: "#336699" }),
 *   since: field.datetime({ name: "Since", required: false, inputmode: "date" }),
 *   open: field.toggle({ name: "Open", default: false }),
 *   lights: field.triState({ name: "Lights" }),
 *   mode: field.select({ name: "Mode", default: "fast", values: { fast: "Fast", safe: "Safe" } }),
 *   days: field.multiselect({ name: "Days", default: ["mo"], values: { mo: "Monday", tu: "Tuesday" } }),
 *   place: field.object({ name: "Place" }, form({ town: field.text({ name: "Town", default: "Ulm" }) })),
 *   store: field.union({ name: "Store", default: "here", variants: { here: { name: "Here", spec: form({}) }, there: { name: "There", spec: form({ url: field.text({ name: "URL", default: "" }) }) } } }),
 *   tags: field.texts({ name: "Tags", default: ["new"] }),
 *   people: field.objects({ name: "People", of: form({ name: field.text({ name: "Name" }) }), displayAs: "{{name}}" }),
 * });
 * type Settings = FormValue<typeof settings>;
 */
export const field = {
  text,
  textarea,
  number,
  color,
  datetime,
  toggle,
  triState,
  select,
  multiselect,
  file,
  hidden,
  object,
  union: <V extends kinds.VariantForms>(o: Omit<kinds.UnionOptions<V>, "variants"> & { variants: V }) => union({ ...o, variants: kinds.Variants.of(o.variants) } as kinds.UnionOptions<V>),
  texts: (o: kinds.ListOptions & kinds.TextItemOptions & { default?: string[]; minEntries?: number; maxEntries?: number }) =>
    list(listOfTexts({ ...o, minLength: o.minEntries ?? null, maxLength: o.maxEntries ?? null }, o)),
  objects: <F extends AnyForm>(o: Parameters<typeof listOfObjects>[0] & { of: F; displayAs?: string; uniqueBy?: UniqueBy }) =>
    list(listOfObjects<F>(o, { spec: o.of, displayAs: o.displayAs ?? null, uniqueBy: o.uniqueBy ?? null })),
  made,
};

/**
 * Makes up a text: of a charset such as "a-z,A-Z,0-9", evenly and unpredictably. A text stays as it is.
 * @example
 * assert.match(randomText({ charset: "a-f,0-9", len: 32 }), /^[a-f0-9]{32}$/);
 */
export function randomText(of: string | RandomString): string {
  if (typeof of === "string") return of;
  const characters = charset(of.charset);
  let made = "";
  for (let i = 0; i < of.len; i++) made += characters[below(characters.length)];
  return made;
}

// A whole number below a limit. Numbers at the end that would make some more likely are drawn again.
function below(limit: number): number {
  const fair = 2 ** 32 - (2 ** 32 % limit);
  const drawn = new Uint32Array(1);
  do globalThis.crypto.getRandomValues(drawn);
  while (drawn[0]! >= fair);
  return drawn[0]! % limit;
}

function charset(text: string): string[] {
  const found = new Set<string>();
  const characters = [...text];
  for (let i = 0; i < characters.length; ) {
    const [first, dash, last] = characters.slice(i, i + 3);
    if (dash === "-" && last !== undefined && last !== ",") {
      for (let code = first!.codePointAt(0)!; code <= last.codePointAt(0)!; code++) found.add(String.fromCodePoint(code));
      i += 3;
    } else {
      found.add(first!);
      i += 1;
    }
    if (characters[i] === ",") i++; // what parts the entries; two in a row are a comma of the set
  }
  if (found.size === 0) throw new Error(`the charset ${JSON.stringify(text)} has no characters`);
  return [...found];
}
