import * as z from "./zod-all.js";
import type { Schema } from "../schema.js";

/** A schema of this SDK as one of zod, to be part of others. */
export function zodOf<T>(of: Schema<T>): z.ZodType<T> {
  return z.unknown().transform((value, context): T => {
    const outcome = of["~standard"].validate(value);
    if (outcome instanceof Promise) throw new Error("a schema that answers by a promise cannot be used here");
    if (!outcome.issues) return outcome.value;
    for (const { message, path } of outcome.issues) context.issues.push({ code: "custom", message, path: [...(path ?? [])] as string[], input: value });
    return z.NEVER;
  }) as unknown as z.ZodType<T>;
}

type Def = Record<string, any>;
const holders = new Set(["optional", "nullable", "default", "prefault", "catch", "readonly", "nonoptional", "success"]);

/**
 * The same schema, but objects keep members that they do not know, at any depth. A pipe, as a transform is, keeps what its
 * first half reads.
 */
export function deepLoose<T>(type: z.ZodType<T>): z.ZodType<T> {
  return loose(type as any, new Map()) as z.ZodType<T>;
}

function loose(type: any, seen: Map<unknown, any>): any {
  const found = seen.get(type);
  if (found) return found;
  const def = type?._zod?.def as Def | undefined;
  if (!def) return type;
  const again = (inner: unknown) => loose(inner, seen);
  const copy = (changes: Def) => type.clone({ ...def, ...changes });
  const made = (() => {
    if (def["type"] === "object") {
      const shape = Object.fromEntries(Object.entries(def["shape"] as object).map(([key, inner]) => [key, again(inner)]));
      // A strict object stays what it says: it refuses what it does not know.
      return copy({ shape, catchall: def["catchall"] ?? z.unknown() });
    }
    if (holders.has(def["type"])) return copy({ innerType: again(def["innerType"]) });
    if (def["type"] === "array") return copy({ element: again(def["element"]) });
    if (def["type"] === "record" || def["type"] === "map") return copy({ valueType: again(def["valueType"]) });
    if (def["type"] === "tuple") return copy({ items: def["items"].map(again) });
    if (def["type"] === "union") return copy({ options: def["options"].map(again) });
    if (def["type"] === "intersection") return copy({ left: again(def["left"]), right: again(def["right"]) });
    if (def["type"] === "pipe") return copy({ in: again(def["in"]) });
    return type;
  })();
  seen.set(type, made);
  return made;
}
