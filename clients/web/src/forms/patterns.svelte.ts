import { SvelteMap } from "svelte/reactivity";
import { bounded } from "../ui/bounded.js";

/**
 * Tries values against the patterns of a package, which may be made to take for ever: beside the page, and for a bounded time. As long
 * as nothing is known of a value, and for good where the pattern cannot be read or does not end, it counts as matching: the package
 * checks what it is given.
 */
export class Patterns {
  readonly #known = new SvelteMap<string, boolean>();
  readonly #asked = new Set<string>();
  readonly #open = new Set<Promise<void>>();

  readonly matches = (regex: string, value: string): boolean => {
    const key = JSON.stringify([regex, value]);
    const known = this.#known.get(key);
    if (known === undefined && !this.#asked.has(key)) {
      this.#asked.add(key);
      const turn: Promise<void> = bounded
        .run({ what: "match", regex, value })
        .catch(() => true)
        .then((matches) => void this.#known.set(key, matches === true))
        .finally(() => this.#open.delete(turn));
      this.#open.add(turn);
    }
    return known ?? true;
  };

  /** Resolves when all that was asked is known. */
  async settled(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open);
  }
}
