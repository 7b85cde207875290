/**
 * Settings of the process that must come before anything else runs: compiled code is kept from one container of the package
 * to the next, and no warnings about the habits of package code are in the service's log.
 *
 * V8 refuses compiled code, that of Node itself too, which was made with other flags than there are: they are set once all is
 * loaded and saved.
 */
import { existsSync } from "node:fs";
import * as module from "node:module";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { environment } from "./environment.js";

(process as { noDeprecation?: boolean }).noDeprecation = true;

const { codeDir } = environment(process.env);
if (existsSync(codeDir)) module.enableCompileCache?.(codeDir);

/**
 * Called before the package's code is loaded. People choose the texts that its patterns are tried on, and some patterns, as
 * ^(a+)+$, take longer than a life for some: nothing else would be done until the agent ends the process. One that has gone back
 * too often is begun anew by an engine that never does. It means the same, and knows no lookaround, no back references and
 * no flags i and u: those go on as they were.
 */
export function guard(): void {
  module.flushCompileCache?.(); // what this program is made of was compiled without the flag, and is asked for without it
  setFlagsFromString("--enable-experimental-regexp-engine-on-excessive-backtracks");
}

// A service is busy with its start for a moment after its init.
const settleAfter = 2000;

/**
 * Called when the package's code has run its init. A moment later what was compiled is saved, and from then on a small heap is
 * wanted rather than a fast one, because there is a process of this kind in every service container.
 */
export function settle(): void {
  setTimeout(() => {
    module.flushCompileCache?.();
    setFlagsFromString("--optimize-for-size");
    setFlagsFromString("--expose-gc"); // for contexts that are made from now on: the package's has none
    const collect = runInNewContext("gc") as (options: object) => void;
    setFlagsFromString("--no-expose-gc");
    collect({ type: "major", flavor: "last-resort" }); // the only kind that makes the room for new objects small again
  }, settleAfter).unref();
}
