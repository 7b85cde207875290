/** What a page keeps between visits: localStorage, which belongs to one origin, or anything like it. */
export interface KeyValues {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Under which key a page keeps its half of a session's secret. */
export const storageKey = "hearth-session";
/** The header that the half goes with. */
export const halfHeader = "hearth-session";

/** What is kept: the half, and when it is best replaced, in milliseconds. */
export interface Kept {
  readonly half: string;
  readonly rotate: number;
}

/**
 * What is kept of a session, if there is one. It stands apart so that a page can make its first calls before the client is there,
 * which is large.
 */
export function kept(storage: Pick<KeyValues, "getItem">): Kept | undefined {
  try {
    const kept: unknown = JSON.parse(storage.getItem(storageKey) ?? "null");
    if (typeof kept !== "object" || kept === null) return undefined;
    const { half, rotate } = kept as Partial<Record<keyof Kept, unknown>>;
    return typeof half === "string" && typeof rotate === "number" ? { half, rotate } : undefined;
  } catch {
    return undefined; // not what we wrote
  }
}
