import { tick } from "svelte";
import { Patterns } from "./patterns.svelte.js";
import { isObject, type InputSpec, type Values } from "./spec.js";
import { begin, check, over, type Flaw } from "./values.js";

/** A form that is being filled in: its fields, what stands in them, and, once it was tried, what is wrong. */
export class Form {
  readonly spec: InputSpec;
  /** What there was before. */
  readonly before: Values | undefined;
  values = $state<Values>({});
  readonly #patterns = new Patterns();
  #tried = $state(false);
  readonly flaws: ReadonlyMap<string, Flaw> = $derived.by(() => this.#look());

  constructor(spec: InputSpec, before?: Values, proposed?: unknown) {
    this.spec = spec;
    this.before = before;
    const together = over(before ?? {}, proposed);
    this.values = begin(spec, isObject(together) ? together : undefined);
  }

  #look(): ReadonlyMap<string, Flaw> {
    return this.#tried ? check(this.spec, this.values, this.#patterns.matches) : new Map();
  }

  /** Whether all is well. Where it is not, that is told, and the first field that is wrong within `root` has the focus. */
  async sound(root: string): Promise<boolean> {
    this.#tried = true;
    this.#look();
    await this.#patterns.settled();
    if (this.#look().size === 0) return true;
    await tick();
    document.querySelector<HTMLElement>(`${root} [aria-invalid="true"]`)?.focus();
    return false;
  }
}
