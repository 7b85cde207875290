import { isRecord } from "./values.js";

/** What is wrong with a value, and where in it. */
export interface Issue {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/**
 * A schema of any library that follows Standard Schema (zod, valibot, arktype and others), or one of this SDK: a form or
 * `defaults`. It must answer at once, not by a promise.
 */
export interface Schema<Output> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Outcome<Output> | Promise<Outcome<Output>>;
    readonly types?: { readonly input: any; readonly output: Output } | undefined;
  };
}
export type Outcome<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: ReadonlyArray<Issue> };

/**
 * The type of the values that a schema gives.
 * @example
 * const settings = defaults({ size: 3 });
 * const own: Infer<typeof settings> = { size: 4 };
 */
export type Infer<S extends Schema<any>> = S extends Schema<infer T> ? T : never;

/**
 * A value that its schema refuses. The host shows the issues at the fields of the form.
 * @example
 * const settings = form({ size: field.number({ name: "Size", default: 1, min: 1 }) });
 * assert.throws(() => settings.read({ size: 0 }), (err) => err instanceof InvalidError && err.issues[0]?.path[0] === "size");
 */
export class InvalidError extends Error {
  override readonly name: string = "InvalidError";
  readonly issues: { path: string[]; message: string }[];

  constructor(issues: ReadonlyArray<Issue>) {
    const flat = issues.map((issue) => ({
      path: (issue.path ?? []).map((at) => String(typeof at === "object" ? at.key : at)),
      message: issue.message,
    }));
    super(flat.map(({ path, message }) => (path.length > 0 ? `${path.join(".")}: ${message}` : message)).join("; "));
    this.issues = flat;
  }
}

/** Reads a value by a schema, or throws an InvalidError. */
export function parse<T>(schema: Schema<T>, value: unknown): T {
  const outcome = schema["~standard"].validate(value);
  if (outcome instanceof Promise) throw new Error("a schema that answers by a promise cannot be used here");
  if (outcome.issues) throw new InvalidError(outcome.issues);
  return outcome.value;
}

/** Makes a schema of a function that gives the value or throws. */
export function schema<T>(read: (value: unknown) => T): Schema<T> {
  return {
    "~standard": {
      version: 1,
      vendor: "hearth",
      validate: (value) => {
        try {
          return { value: read(value) };
        } catch (err) {
          if (err instanceof InvalidError) return { issues: err.issues };
          throw err;
        }
      },
    },
  };
}

type Widened<T> = T extends string ? string : T extends number ? number : T extends boolean ? boolean : T extends readonly (infer I)[] ? Widened<I>[] : T extends object ? { -readonly [K in keyof T]: Widened<T[K]> } : T;

/**
 * A schema that refuses nothing: what is missing or of another type than its default has its default. Unknown members
 * stay.
 * @example
 * const settings = file.json({ base: volume, subpath: "own.json" }, defaults({ greeting: "Hello", retries: 3 }));
 * await volume.writeFile("own.json", '{"retries":5,"other":true}');
 * assert.deepEqual(await settings.read().once(), { greeting: "Hello", retries: 5, other: true });
 */
export function defaults<const T extends Record<string, unknown>>(value: T): Schema<Widened<T>> {
  return schema((given) => fill(value, given) as Widened<T>);
}

function fill(standard: unknown, given: unknown): unknown {
  if (isRecord(standard)) {
    const found = isRecord(given) ? given : {};
    const filled: Record<string, unknown> = { ...found };
    for (const [key, value] of Object.entries(standard)) filled[key] = fill(value, Object.hasOwn(found, key) ? found[key] : undefined);
    return filled;
  }
  if (standard === null) return given === undefined ? null : given;
  if (Array.isArray(standard)) return Array.isArray(given) ? given : [...(standard as unknown[])];
  return typeof given === typeof standard ? given : standard;
}
