import { OperationStatus_State as State, type Operation } from "@hearthos/api/hearth/operations/v1/operations_pb";
import { t, texts } from "../../i18n.svelte.js";

/** Whether an operation has not ended. */
export function isOpen(operation: Operation): boolean {
  const state = operation.status?.state ?? State.PENDING;
  return state <= State.UNDOING;
}

/** What an operation is for, in words, with the name that people know its target by. */
export function titleOf(row: Operation, target: string): string {
  const key = `page.operation.${row.spec?.kind}`;
  return texts.has(key) ? t(key, { Target: target }) : `${row.spec?.kind} ${target}`;
}

/** The word for how far an operation is, by its key in the catalogue. */
export const wordOf: Record<State, string> = {
  [State.UNSPECIFIED]: "pending",
  [State.PENDING]: "pending",
  [State.RUNNING]: "running",
  [State.UNDOING]: "undoing",
  [State.SUCCEEDED]: "succeeded",
  [State.FAILED]: "failed",
  [State.CANCELLED]: "cancelled",
};

/** Tells of operations that end while somebody looks: of those that were seen under way, each once. */
export class Ends {
  readonly #open = new Set<string>();

  /** Takes the operations as they are now, and answers those that have ended since. */
  of(rows: readonly Operation[]): Operation[] {
    const ended: Operation[] = [];
    for (const row of rows) {
      const id = row.meta?.id ?? "";
      if (isOpen(row)) this.#open.add(id);
      else if (this.#open.delete(id)) ended.push(row);
    }
    return ended;
  }
}
