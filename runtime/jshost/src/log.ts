import { format, inspect } from "node:util";
import { traced } from "./sources.js";

/** Writes a line about the package's code to standard error, with the stack of the error. It lands in the service's log. */
export function log(what: string, err?: unknown): void {
  const detail = err === undefined ? "" : `: ${traced(err instanceof Error && err.stack ? err.stack : inspect(err))}`;
  process.stderr.write(`jshost: ${what}${detail}\n`);
}

// Longer texts are data, most likely, and looking for places in them takes the package's own time.
const maxTraced = 64 << 10;

/** Has the errors that package code writes by itself (console.error and what stands on it) name places in its sources, as log does. */
export function traceConsole(): void {
  for (const name of ["error", "warn"] as const) {
    const write = console[name].bind(console);
    console[name] = (...args: unknown[]) => {
      const text = format(...args);
      write("%s", text.length > maxTraced ? text : traced(text));
    };
  }
}
