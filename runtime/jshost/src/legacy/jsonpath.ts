/** How many values a way may lead to. */
const maxFound = 10_000;
const step = /^(?:\.\.(\*|[\w$-]+)|\.(\*|[\w$-]+)|\[(\*|-?\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\])/;

/**
 * Finds values by a JSONPath: names, indexes, "*" and "..". Others, such as conditions, are refused.
 * @example
 * find({ users: [{ name: "ada" }] }, "$.users[*].name") // ["ada"]
 */
export function find(root: unknown, path: string): unknown[] {
  if (!path.startsWith("$")) throw new Error(`${JSON.stringify(path)} is no way to a value`);
  let found: unknown[] = [root];
  for (let rest = path.slice(1); rest !== ""; ) {
    const match = step.exec(rest);
    if (!match) throw new Error(`${JSON.stringify(path)} has a step that is not known here: ${rest.slice(0, 40)}`);
    const [whole, deep, name, index, single, double] = match;
    rest = rest.slice(whole.length);
    const wanted = deep ?? name ?? index ?? (single ?? double!).replace(/\\(.)/g, "$1");
    const from = deep === undefined ? found : found.flatMap((value) => within(value, []));
    found = from.flatMap((value) => children(value, wanted, single === undefined && double === undefined)).slice(0, maxFound);
  }
  return found;
}

function children(value: unknown, wanted: string, wild: boolean): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  if (wild && wanted === "*") return Object.values(value);
  if (Array.isArray(value)) return /^-?\d+$/.test(wanted) && value.at(Number(wanted)) !== undefined ? [value.at(Number(wanted))] : [];
  return Object.hasOwn(value, wanted) ? [(value as Record<string, unknown>)[wanted]] : [];
}

function within(value: unknown, into: unknown[]): unknown[] {
  if (typeof value !== "object" || value === null || into.length >= maxFound) return into;
  into.push(value);
  for (const one of Object.values(value)) within(one, into);
  return into;
}
