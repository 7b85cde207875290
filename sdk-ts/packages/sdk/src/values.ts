/** Whether two values of JSON are equal, at any depth. A member that is undefined equals one that is not there. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (a instanceof Date || b instanceof Date) return a instanceof Date && b instanceof Date && a.getTime() === b.getTime();
  if (Array.isArray(a)) return a.length === (b as unknown[]).length && a.every((value, i) => deepEqual(value, (b as unknown[])[i]));
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
  for (const key of new Set([...Object.keys(x), ...Object.keys(y)])) if (!deepEqual(x[key], y[key])) return false;
  return true;
}

/** Whether a value is an object of members, and no array, date or instance. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const proto: unknown = Object.getPrototypeOf(value);
  return proto === null || proto === Object.prototype || Object.getPrototypeOf(proto as object) === null;
}

/**
 * Lays values over each other, the last on top: members of objects each for itself, everything else whole. A member that
 * is undefined leaves what is beneath it. The arguments stay as they are.
 * @example deepMerge({ a: 1, b: { c: 2 } }, { b: { d: 3 } }) // { a: 1, b: { c: 2, d: 3 } }
 */
export function deepMerge<A, B>(a: A, b: B): A & B;
export function deepMerge(...layers: unknown[]): unknown;
export function deepMerge(...layers: unknown[]): unknown {
  return layers.reduce((below, above) => {
    if (above === undefined) return below;
    if (!isRecord(below) || !isRecord(above)) return above;
    const merged: Record<string, unknown> = { ...below };
    for (const [key, value] of Object.entries(above)) {
      if (value !== undefined) set(merged, key, Object.hasOwn(merged, key) ? deepMerge(merged[key], value) : value);
    }
    return merged;
  });
}

/**
 * Adds to a value the members of another that it does not have, at any depth, also in the items of arrays of one length.
 * It is what keeps unknown members of a file that a schema has read.
 */
export function withUnknown(known: unknown, all: unknown): unknown {
  if (Array.isArray(known) && Array.isArray(all)) return known.length === all.length ? known.map((item, i) => withUnknown(item, all[i])) : known;
  if (!isRecord(known) || !isRecord(all)) return known;
  const merged: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(all)) set(merged, key, Object.hasOwn(known, key) ? withUnknown(known[key], value) : value);
  for (const [key, value] of Object.entries(known)) if (!Object.hasOwn(merged, key)) set(merged, key, value);
  return merged;
}

// Sets a member as data, whatever its name: "__proto__" too is only a name here.
function set(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Calls a function once at most, and gives its first result ever after. */
export function once<T>(fn: () => T): () => T {
  let result: { value: T } | undefined;
  return () => (result ??= { value: fn() }).value;
}

/** Makes an Error of whatever was thrown. */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  if (typeof thrown === "string") return new Error(thrown, { cause: thrown });
  try {
    return new Error(JSON.stringify(thrown), { cause: thrown });
  } catch {
    return new Error(String(thrown), { cause: thrown });
  }
}

/** What was waited for will not come, because the context has been left or the waiting was called off. */
export class AbortedError extends Error {
  override readonly name = "AbortedError";
  readonly muteUnhandled = true as const;
}

/** Waits; a signal ends the wait early, without an error. The timer keeps no process alive that has nothing else to do. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
