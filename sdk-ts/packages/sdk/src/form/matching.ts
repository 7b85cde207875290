import { createContext, Script, type Context } from "node:vm";

/** How long all of one text's patterns may take, in milliseconds. */
const patience = 500;

// A watchdog interrupts a match, which nothing else does. What is called is set anew each time, and is the only thing in there.
const script = new Script("test()");
let context: (Context & { test?: () => boolean }) | undefined;

/**
 * Whether a text matches; null where that was not found out in time. Some patterns, as ^(a+)+$, take longer than a life for some
 * texts, and whoever may fill in a form chooses the text.
 */
export function matches(regex: string, text: string): boolean | null {
  const pattern = new RegExp(regex);
  context ??= createContext({});
  context.test = () => pattern.test(text);
  try {
    return script.runInContext(context, { timeout: patience }) as boolean;
  } catch (err) {
    if ((err as { code?: unknown }).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return null;
    throw err;
  } finally {
    delete context.test;
  }
}
