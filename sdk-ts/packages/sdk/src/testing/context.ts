/** The life of what a package subscribes to: as in the runtime, a child of the same name takes the place of the one before. */
export class TestContext {
  readonly #children = new Map<string, TestContext>();
  readonly #hooks: (() => unknown)[] = [];
  readonly #callbacks = new Map<string, Set<() => void>>();
  left = false;

  child(name: string): TestContext {
    this.#children.get(name)?.leave();
    const child = new TestContext();
    if (this.left) child.leave();
    this.#children.set(name, child);
    return child;
  }

  onLeave(hook: () => unknown): void {
    if (!this.left) this.#hooks.push(hook);
  }

  /** Calls back once, when what is named changes. */
  subscribe(effect: string, callback: () => void): void {
    if (this.left) return;
    const all = this.#callbacks.get(effect) ?? new Set();
    this.#callbacks.set(effect, all.add(callback));
  }

  /** Tells all who wait for a change, here and in the children. */
  changed(effect: string): void {
    const waiting = this.#callbacks.get(effect);
    this.#callbacks.delete(effect);
    for (const callback of waiting ?? []) callback();
    for (const child of this.#children.values()) child.changed(effect);
  }

  leave(): void {
    if (this.left) return;
    this.left = true;
    for (const child of this.#children.values()) child.leave();
    this.#callbacks.clear();
    for (const hook of this.#hooks.splice(0)) hook();
  }
}
