import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { isRecord } from "@hearthos/sdk/values";
import { log } from "../log.js";

/** What became of a procedure: its value, or the code and the message by which it was refused. */
export type Outcome = { code: 0; value: unknown } | { code: number; message: string };

/** A procedure that did not succeed, where nothing else was to be expected. */
export class ProcedureError extends Error {
  override readonly name = "ProcedureError";
}

/** The value of an outcome that has one. */
export function valueOf(outcome: Outcome): unknown {
  if ("value" in outcome) return outcome.value;
  throw new ProcedureError(outcome.message || `the package's procedure ended with ${outcome.code}`);
}

/** The script of a package: functions in a module, which answer by a result, an error, or an error with a code. */
export class Script {
  #module: Promise<Record<string, unknown>> | undefined;

  constructor(private readonly dir: string) {}

  /** Whether the script has a function, by the names on the way to it. */
  async has(way: string[]): Promise<boolean> {
    return typeof (await this.#find(way)) === "function";
  }

  /** Calls a function. What it throws is what became of it, too. */
  async call(way: string[], args: unknown[]): Promise<Outcome> {
    const run = await this.#find(way);
    if (typeof run !== "function") return { code: 2, message: `the package's script has no function ${way.join(".")}` };
    try {
      return outcomeOf(await (run as (...args: unknown[]) => unknown)(...args));
    } catch (err) {
      log(`${way.join(".")} of the package's script failed`, err);
      return { code: 2, message: err instanceof Error ? err.message : isRecord(err) && typeof err["error"] === "string" ? err["error"] : String(err) };
    }
  }

  async #find(way: string[]): Promise<unknown> {
    let at: unknown = await this.#load();
    for (const name of way) at = (typeof at === "object" && at !== null) || typeof at === "function" ? (Object.hasOwn(at, name) ? (at as Record<string, unknown>)[name] : undefined) : undefined;
    return at;
  }

  #load(): Promise<Record<string, unknown>> {
    this.#module ??= (async () => {
      const file = join(this.dir, "embassy.js");
      return existsSync(file) ? ((await import(pathToFileURL(file).href)) as Record<string, unknown>) : {};
    })();
    return this.#module;
  }
}

function outcomeOf(answer: unknown): Outcome {
  if (!isRecord(answer)) return { code: 0, value: null };
  if ("result" in answer) return { code: 0, value: answer["result"] ?? null };
  if ("error" in answer) return { code: 2, message: String(answer["error"]) };
  const coded = answer["error-code"];
  if (Array.isArray(coded) && typeof coded[0] === "number") return { code: coded[0] === 0 ? 2 : coded[0], message: String(coded[1] ?? "") };
  return { code: 2, message: "the package's script answered neither a result nor an error" };
}
