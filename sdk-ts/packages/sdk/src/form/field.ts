import type { Effects } from "../effects.js";
import { InvalidError, type Issue, type Schema } from "../schema.js";
import type { DeepPartial } from "../wire.js";
import type { FieldSpec } from "./spec.js";

/** What a form is built for: the call, and what of it somebody has filled in already. */
export interface BuildOptions<Outer> {
  effects: Effects;
  prefill: DeepPartial<Outer> | null;
}
export type Lazy<Out, Outer> = (options: BuildOptions<Outer>) => Out | Promise<Out>;

/** Takes a value that was submitted, or throws an InvalidError. */
export type Read<T> = (value: unknown) => T;
export interface Built<T> {
  spec: FieldSpec;
  read: Read<T>;
}

export function refuse(message: string): never {
  throw new InvalidError([{ message }]);
}

/** Reads a part of a value, whose issues then say where in it they are. */
export function at<T>(key: string | number, issues: Issue[], read: () => T): T | undefined {
  try {
    return read();
  } catch (err) {
    if (!(err instanceof InvalidError)) throw err;
    issues.push(...err.issues.map(({ path, message }) => ({ path: [String(key), ...path], message })));
    return undefined;
  }
}

/**
 * What a form takes for a field, whatever its types. Classes are compared by all of their methods, which costs compilers
 * minutes; what is asked of a field is this.
 */
export interface AnyField {
  readonly _TYPE: any;
  readonly _STATIC: any;
  readonly build: (options: any) => any;
  readonly read: (value: unknown) => any;
  readonly readPartial: (value: unknown) => any;
  readonly inner?: Inner | undefined;
  withDisabled(message: string): AnyField;
}
/** What is taken for a form, likewise. */
export interface AnyForm {
  readonly _TYPE: any;
  readonly _STATIC: any;
  readonly read: (value: unknown) => any;
  readonly readPartial: (value: unknown) => any;
  build(options: any): Promise<{ spec: any; validator: Schema<any> }>;
}

/**
 * One field of a form. Type is what a form that was built gives; Static what can be known without building it, which is
 * less where options are made at run time. Immutable.
 */
export class Field<in out Type, in out Static = Type, in out Outer = unknown> {
  declare readonly _TYPE: Type;
  declare readonly _STATIC: Static;
  declare readonly _PARTIAL: DeepPartial<Type>;

  constructor(
    readonly build: Lazy<Built<Type>, Outer>,
    readonly read: Read<Static>,
    /** Takes a part of the value, where that can be told. */
    readonly readPartial: Read<unknown> = (value) => (value === undefined || value === null ? value : read(value)),
    /** The fields within, of those that have some. */
    readonly inner?: Inner,
  ) {}

  /** The field, shown but not to be changed, with the reason. */
  withDisabled(message: string): Field<Type, Static, Outer> {
    const build: Lazy<Built<Type>, Outer> = async (options) => {
      const built = await this.build(options);
      return { ...built, spec: disabled(built.spec, message) };
    };
    return new Field(build, this.read, this.readPartial, this.inner);
  }

  /** The field, whose value then goes through a function. */
  map<U>(fn: (value: Static) => U): Field<U, U, Outer> {
    return new Field<U, U, Outer>(
      async (options) => {
        const { spec, read } = await this.build(options);
        return { spec, read: (value) => fn(read(value) as unknown as Static) };
      },
      (value) => fn(this.read(value)),
    );
  }
}

/** How forms look into a field of fields, to show or disable parts of it. */
export interface Inner {
  filter(keys: Record<string, unknown>, keepByDefault: boolean): AnyField;
  disable(keys: Record<string, unknown>, message: string): AnyField;
}

function disabled(spec: FieldSpec, message: string): FieldSpec {
  if (spec.type === "object") return { ...spec, spec: Object.fromEntries(Object.entries(spec.spec).map(([key, inner]) => [key, disabled(inner, message)])) };
  return "disabled" in spec ? { ...spec, disabled: message } : spec;
}
