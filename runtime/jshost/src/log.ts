import { inspect } from "node:util";
import { traced } from "./sources.js";

/** Writes a line about the package's code to standard error, with the stack of the error. It lands in the service's log. */
export function log(what: string, err?: unknown): void {
  const detail = err === undefined ? "" : `: ${traced(err instanceof Error && err.stack ? err.stack : inspect(err))}`;
  process.stderr.write(`jshost: ${what}${detail}\n`);
}
