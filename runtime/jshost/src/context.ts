import { log } from "./log.js";

/**
 * A context is the lifetime of what a package subscribes to: the watches of its effects and its hooks for the end.
 * Contexts form a tree. When one is left, so are its children; nothing of it runs afterwards.
 *
 * A child has a name, and a new child of the same name takes the place of the old one, which is left.
 */
export class Context {
  readonly #children = new Map<string, Context>();
  readonly #hooks: (() => unknown)[] = [];
  readonly #watches = new Set<AbortController>();
  readonly #end = new AbortController();

  /** Aborts when the context is left, before its hooks run. */
  get end(): AbortSignal {
    return this.#end.signal;
  }

  /** Whether the context has been left, which is for ever. */
  get left(): boolean {
    return this.#end.signal.aborted;
  }

  /** Makes a child and leaves the child that had this name. A child of a context that was left is born left. */
  child(name: string): Context {
    this.#children.get(name)?.leave();
    const child = new Context();
    if (this.left) child.leave();
    else this.#children.set(name, child);
    return child;
  }

  /** Leaves the child of this name, if there is one. */
  leaveChild(name: string): void {
    const child = this.#children.get(name);
    this.#children.delete(name);
    child?.leave();
  }

  /** Registers a hook. Hooks run in the order of registration; after the end they are never called. */
  onLeave(hook: () => unknown): void {
    if (!this.left) this.#hooks.push(hook);
  }

  /**
   * Runs a watch that ends with the context: the function gets a signal for that and is not called when the context
   * has been left. Its failures are logged, except when they come from the signal.
   */
  watch(run: (signal: AbortSignal) => Promise<void>): { cancel(): void } {
    const controller = new AbortController();
    if (!this.left) {
      this.#watches.add(controller);
      run(controller.signal)
        .catch((err: unknown) => {
          if (!controller.signal.aborted) log("a watch of the package ended", err);
        })
        .finally(() => this.#watches.delete(controller));
    }
    return { cancel: () => controller.abort() };
  }

  /** Leaves the context and all its children, innermost first. A second call does nothing. */
  leave(): void {
    if (this.left) return;
    this.#end.abort();
    for (const child of this.#children.values()) child.leave();
    this.#children.clear();
    for (const watch of this.#watches) watch.abort();
    for (const hook of this.#hooks.splice(0)) guard("a hook of the package for the end of a context failed", hook);
  }
}

/** Runs package code whose result nobody waits for; what it throws, now or later, is logged. */
export function guard(what: string, run: () => unknown): void {
  try {
    Promise.resolve(run()).catch((err: unknown) => log(what, err));
  } catch (err) {
    log(what, err);
  }
}
