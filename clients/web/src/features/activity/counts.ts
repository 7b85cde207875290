import { OperationStatus_State, type Operation } from "@hearthos/api/hearth/operations/v1/operations_pb";
import { replica } from "../../live/index.svelte.js";
import { updateOf } from "../service/status.js";

/** Whether an operation has not ended. */
export function isOpen(operation: Operation): boolean {
  const state = operation.status?.state ?? OperationStatus_State.PENDING;
  return state <= OperationStatus_State.UNDOING;
}

/** How many operations are under way. */
export const openOperations = (): number => replica.list("operation").filter(isOpen).length;

/** How many services can be updated. */
export const openUpdates = (): number => replica.list("package").filter((row) => updateOf(row) !== "").length;

/** How many notifications nobody has seen. */
export const unseenNotifications = (): number => replica.list("notification").filter((n) => !n.spec?.seen).length;
