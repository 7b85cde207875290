import { followLinks } from "../ui/links.js";

/** What the address of the catalogue says. All of what is shown follows from it, so each view can be shared and gone back to. */
export interface Place {
  readonly q: string;
  readonly category: string;
  readonly package: string;
  readonly version: string;
  /** Where the page before ended. */
  readonly after: string;
}

const none: Place = { q: "", category: "", package: "", version: "", after: "" };
const names = Object.keys(none) as (keyof Place)[];

/** Reads an address; what is in it besides counts for nothing. */
export function parse(search: string): Place {
  const query = new URLSearchParams(search);
  return Object.fromEntries(names.map((name) => [name, query.get(name) ?? ""])) as unknown as Place;
}

/** The address of a place: what is empty is not in it. */
export function address(place: Partial<Place>): string {
  const query = new URLSearchParams();
  for (const name of names) if (place[name]) query.set(name, place[name]);
  const text = query.toString();
  return text === "" ? "/" : `/?${text}`;
}

class Here {
  #search = $state(location.search);
  readonly place = $derived(parse(this.#search));

  constructor() {
    addEventListener("popstate", () => (this.#search = location.search));
    followLinks((link) => {
      if (link.pathname !== "/") return false;
      this.go(link.search === "" ? "/" : link.search);
      return true;
    });
  }

  /** Goes to an address of the catalogue. */
  go(to: string, replace = false): void {
    if (replace) history.replaceState(null, "", to);
    else history.pushState(null, "", to);
    this.#search = location.search;
    if (!replace) scrollTo(0, 0);
  }
}

export const here = new Here();
