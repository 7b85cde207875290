import { randomText } from "./index.js";
import type { FieldSpec, FormSpec } from "./spec.js";

/** The value of a form that nobody has filled in: its defaults, made up where they are to be. */
export function initialValue(spec: FormSpec): Record<string, unknown> {
  const entries = Object.entries(spec).map(([key, field]) => [key, initial(field)] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

function initial(field: FieldSpec): unknown {
  switch (field.type) {
    case "text":
      return field.default === null ? null : randomText(field.default);
    case "object":
      return initialValue(field.spec);
    case "union": {
      const chosen = field.default === null ? undefined : field.variants[field.default];
      return chosen ? { selection: field.default, value: initialValue(chosen.spec) } : undefined;
    }
    case "file":
      return null;
    case "hidden":
      return undefined;
    case "list":
      return [...field.default];
    default:
      return field.default;
  }
}
