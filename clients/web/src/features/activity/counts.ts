import { replica } from "../../live/index.svelte.js";
import { updateOf } from "../service/status.js";
import { isOpen } from "./ends.js";

/** How many operations are under way. */
export const openOperations = (): number => replica.list("operation").filter(isOpen).length;

/** How many services can be updated. */
export const openUpdates = (): number => replica.list("package").filter((row) => updateOf(row) !== "").length;

/** How many notifications nobody has seen. */
export const unseenNotifications = (): number => replica.list("notification").filter((n) => !n.spec?.seen).length;
