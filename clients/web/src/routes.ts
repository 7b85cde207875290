/**
 * The pages: the first part of their paths. The server answers these paths, and what is below them, with the page; `pack`
 * tells it so when the page is built.
 */
export const pages = ["", "login", "services", "discover", "sideload", "activity", "notifications", "system"] as const;

export type Page = (typeof pages)[number];

/** A path as the page understands it: which page, and what follows. */
export interface Route {
  readonly page: Page | undefined;
  readonly parts: readonly string[];
}

/** Reads a path. A page that there is not is undefined. */
export function parse(path: string): Route {
  const [first = "", ...rest] = path
    .split("/")
    .slice(1)
    .map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part; // not encoded properly: then it means itself
      }
    });
  return { page: pages.find((page) => page === first), parts: rest.filter((part) => part !== "") };
}

/**
 * The part of a page that its path means, of those that there are by name: the first, which is named "", where the path says
 * nothing, or what there is not.
 */
export function partOf<P extends string>(parts: Readonly<Partial<Record<P, unknown>>>, route: Route, depth = 0): P | "" {
  const wanted = route.parts[depth] ?? "";
  return Object.hasOwn(parts, wanted) && parts[wanted as P] !== undefined ? (wanted as P) : "";
}
