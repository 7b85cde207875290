import { trouble, type Trouble } from "../errors.js";

export interface Toast extends Trouble {
  readonly id: number;
  readonly bad: boolean;
}

class Toasts {
  list = $state<Toast[]>([]);
  #next = 0;

  #show(toast: Omit<Toast, "id">, milliseconds: number): void {
    const id = ++this.#next;
    this.list = [...this.list.slice(-2), { ...toast, id }];
    setTimeout(() => this.close(id), milliseconds);
  }

  say(title: string): void {
    this.#show({ title, detail: "", remedy: "", bad: false }, 4000);
  }

  fail(error: unknown): void {
    this.#show({ ...trouble(error), bad: true }, 12_000);
  }

  close(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();

/** Does something that the server may refuse, and says so when it does. It answers whether all went well. */
export async function attempt(work: () => Promise<unknown>, done?: string): Promise<boolean> {
  try {
    await work();
    if (done !== undefined) toasts.say(done);
    return true;
  } catch (error) {
    toasts.fail(error);
    return false;
  }
}
