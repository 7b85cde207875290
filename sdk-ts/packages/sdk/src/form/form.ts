import { InvalidError, schema, type Issue, type Schema } from "../schema.js";
import { isRecord } from "../values.js";
import type { DeepPartial } from "../wire.js";
import { at, refuse, type BuildOptions, type AnyField, type Read } from "./field.js";
import type { FieldSpec } from "./spec.js";

export type Fields = Record<string, AnyField>;
export type TypeOf<F extends Fields> = { [K in keyof F]: F[K]["_TYPE"] };
export type StaticOf<F extends Fields> = { [K in keyof F]: F[K]["_STATIC"] };

/** The value that a form gives. */
export type FormValue<F> = F extends { readonly _TYPE: any } ? F["_TYPE"] : never;
export type FormStatic<F> = F extends { readonly _STATIC: any } ? F["_STATIC"] : never;

/** Which fields: true, false, or those of an object each for itself. */
export type FilterKeys<T> = { [K in keyof T]?: T[K] extends Record<string, any> ? boolean | FilterKeys<T[K]> : boolean };
type Kept<T, F, Default extends boolean> = { [K in keyof T]: K extends keyof F ? (F[K] extends false ? never : K) : Default extends true ? K : never }[keyof T];
export type Filtered<T, F, Default extends boolean = false> = {
  [K in Kept<T, F, Default>]: K extends keyof F ? (F[K] extends true ? T[K] : F[K] extends FilterKeys<T[K]> ? Filtered<T[K], F[K]> : T[K] | undefined) : T[K];
};
/** The ways to the fields of a value, by their names. */
export type KeyPaths<T> = {
  [K in keyof T & string]: T[K] extends any[] ? [K] : T[K] extends Record<string, any> ? [K] | [K, ...KeyPaths<T[K]>] : [K];
}[keyof T & string];

/**
 * A form: fields by name, in the order in which people see them. It is a schema, too: for a file whose content is what the
 * form gives. Immutable.
 * @example
 * const short = form({ name: field.text({ name: "Name", default: "Ada" }) });
 * assert.deepEqual(short.read({ name: "Grace" }), { name: "Grace" });
 * assert.throws(() => short.read({ name: 3 }), InvalidError);
 */
export class Form<in out Type extends Static, in out Static extends Record<string, any> = Type> implements Schema<Static> {
  declare readonly _TYPE: Type;
  declare readonly _STATIC: Static;
  declare readonly _PARTIAL: DeepPartial<Type>;

  constructor(readonly fields: Fields) {}

  get "~standard"(): Schema<Static>["~standard"] {
    return schema(this.read)["~standard"];
  }

  /** Takes a value as far as the form can know it without being built. */
  readonly read: Read<Static> = (value) => readFields(value, this.fields, (field) => field.read) as Static;

  /** Takes a part of a value. */
  readonly readPartial: Read<DeepPartial<Static>> = (value) => {
    const partial: Record<string, unknown> = {};
    const present = Object.fromEntries(Object.entries(this.fields).filter(([key]) => isRecord(value) && value[key] !== undefined));
    return Object.assign(partial, readFields(value, present, (field) => field.readPartial)) as DeepPartial<Static>;
  };

  /** Makes the form for a call: what is drawn, and what takes the answer. */
  async build<Outer>(options: BuildOptions<Outer>): Promise<{ spec: { [K in keyof Type]: FieldSpec }; validator: Schema<Type> }> {
    const built = new Map<string, { spec: FieldSpec; read: Read<unknown> }>();
    for (const [key, field] of Object.entries(this.fields)) built.set(key, await field.build(options as BuildOptions<any>));
    return {
      spec: Object.fromEntries([...built].map(([key, { spec }]) => [key, spec])) as { [K in keyof Type]: FieldSpec },
      validator: schema((value) => readFields(value, Object.fromEntries(built), (field) => field.read) as Type),
    };
  }

  /** The form with more fields at its end. */
  add<More extends Fields>(more: More): Form<Type & TypeOf<More>, Static & StaticOf<More>> {
    return this.derive({ ...this.fields, ...more });
  }

  /** The form with the fields that are named, and with the others where they are kept by default. */
  filter<const F extends FilterKeys<Type>, Default extends boolean = false>(
    keys: F,
    keepByDefault: Default = false as Default,
  ): Form<Filtered<Type, F, Default> & Filtered<Static, F, Default>, Filtered<Static, F, Default>> {
    const kept: Fields = {};
    for (const [key, field] of Object.entries(this.fields)) {
      const choice = (keys as unknown as Record<string, unknown>)[key] ?? keepByDefault;
      if (isRecord(choice) && field.inner) kept[key] = field.inner.filter(choice, keepByDefault);
      else if (choice) kept[key] = field;
    }
    return this.derive(kept);
  }

  /** The form, where the fields that are named cannot be changed, with the reason. */
  disable(keys: FilterKeys<Type>, message: string): Form<Type, Static> {
    const fields: Fields = {};
    for (const [key, field] of Object.entries(this.fields)) {
      const choice = (keys as unknown as Record<string, unknown>)[key];
      fields[key] = isRecord(choice) && field.inner ? field.inner.disable(choice, message) : choice ? field.withDisabled(message) : field;
    }
    return this.derive(fields);
  }

  /** The form with the fields that are there in a part of its value. */
  filterFromPartial(partial: DeepPartial<Type>): Form<DeepPartial<Type> & DeepPartial<Static>, DeepPartial<Static>> {
    return this.filter(keysOf(partial) as any) as unknown as Form<DeepPartial<Type> & DeepPartial<Static>, DeepPartial<Static>>;
  }

  /** The form, where the fields that are there in a part of its value cannot be changed. */
  disableFromPartial(partial: DeepPartial<Type>, message: string): Form<Type, Static> {
    return this.disable(keysOf(partial) as any, message);
  }

  /** The names that people see on the way to a field. */
  async namePath<Outer>(path: KeyPaths<Type>, options: BuildOptions<Outer>): Promise<string[]> {
    return (await this.#walk(path as unknown as string[], options)).map((spec) => ("name" in spec ? spec.name : ""));
  }

  /** What people read about a field. */
  async description<Outer>(path: KeyPaths<Type>, options: BuildOptions<Outer>): Promise<string | null> {
    const last = (await this.#walk(path as unknown as string[], options)).at(-1);
    return last && "description" in last ? last.description : null;
  }

  async #walk<Outer>(path: readonly string[], options: BuildOptions<Outer>): Promise<FieldSpec[]> {
    let spec = (await this.build(options)).spec as Record<string, FieldSpec>;
    const found: FieldSpec[] = [];
    for (const key of path) {
      const field = spec[key];
      if (!field) break;
      found.push(field);
      spec = field.type === "object" ? field.spec : {};
    }
    return found;
  }

  /** Makes a form of the same class. */
  protected derive<T extends S, S extends Record<string, any>>(fields: Fields): Form<T, S> {
    return new (this.constructor as new (fields: Fields) => Form<T, S>)(fields);
  }
}

function keysOf(partial: unknown): Record<string, unknown> {
  if (!isRecord(partial)) return {};
  return Object.fromEntries(Object.entries(partial).filter(([, value]) => value !== undefined).map(([key, value]) => [key, isRecord(value) ? keysOf(value) : true]));
}

function readFields<F>(value: unknown, fields: Record<string, F>, reader: (field: F) => Read<unknown>): Record<string, unknown> {
  if (!isRecord(value)) return refuse("must be an object");
  const issues: Issue[] = [];
  const read: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(fields)) {
    const found = at(key, issues, () => reader(field)(Object.hasOwn(value, key) ? value[key] : undefined));
    if (found !== undefined) read[key] = found;
  }
  if (issues.length > 0) throw new InvalidError(issues);
  return read;
}
