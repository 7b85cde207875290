import { OperationStatus_State, type Operation } from "@hearthos/api/hearth/operations/v1/operations_pb";
import { replica } from "../../live/index.svelte.js";
import { updateOf } from "../service/status.js";

/** Whether an operation has not ended. */
export function isOpen(operation: Operation): boolean {
  const state = operation.status?.state ?? OperationStatus_State.PENDING;
  return state <= OperationStatus_State.UNDOING;
}

/** For how long it is told of an operation that failed where people look at what it was about, in milliseconds. */
const toldFor = 24 * 60 * 60 * 1000;

/** Whether an installation, an update or a rollback failed a short time ago. */
export function undone(operation: Operation, now: number): boolean {
  const { spec, status } = operation;
  if (status?.state !== OperationStatus_State.FAILED || !status.endTime || !["install", "update", "rollback"].includes(spec?.kind ?? "")) return false;
  return now - Number(status.endTime.seconds) * 1000 < toldFor;
}

/** How many operations are under way. */
export const openOperations = (): number => replica.list("operation").filter(isOpen).length;

/** How many services can be updated. */
export const openUpdates = (): number => replica.list("package").filter((row) => updateOf(row) !== "").length;

/** How many notifications nobody has seen. */
export const unseenNotifications = (): number => replica.list("notification").filter((n) => !n.spec?.seen).length;
