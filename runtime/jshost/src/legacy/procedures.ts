import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Effects } from "@hearthos/sdk/effects";
import { place } from "@hearthos/sdk/places";
import type { SubContainer } from "@hearthos/sdk/subcontainer";
import { runCompat } from "./compat.js";
import { decode, encode } from "./formats.js";
import type { DockerProcedure, Manifest, Procedure } from "./manifest.js";
import type { Places } from "./places.js";
import { makeRoot } from "./roots.js";
import type { Outcome, Script } from "./script.js";
import { scriptFunctions } from "./functions.js";

/** What a procedure is run for. */
export interface Purpose {
  /** The names on the way to its function in the script, where it is one. */
  way: string[];
  /** How it is called in lists of what runs. */
  name: string;
  input?: unknown;
  /** How long it may take, in milliseconds; as long as it takes if not said. */
  timeout?: number | null;
  /** The root that it runs in, in place of one of its own, which is then made for it alone. */
  root?: SubContainer;
}

// Ended because it was told to, which is no failure.
const terminated = 143;
const late = "it took too long";

/** Runs the procedures of a package: commands in images, and functions of the script. */
export class Procedures {
  /** The root of main, while that runs: commands that are injected run there, and those of the script. */
  main: SubContainer | null = null;

  constructor(
    readonly manifest: Manifest,
    readonly script: Script,
    readonly places: Places,
  ) {}

  async run(effects: Effects, procedure: Procedure, purpose: Purpose): Promise<Outcome> {
    if (procedure.type === "script") return this.#function(effects, procedure.args, purpose);
    if (procedure.system && !inPackage(procedure.image)) return this.#system(effects, procedure, purpose);
    const root = purpose.root ?? (procedure.inject ? this.main : null);
    if (root) return this.#command(root, procedure, purpose);
    const own = await makeRoot(effects, this.manifest, procedure, purpose.name);
    try {
      return await this.#command(own, procedure, purpose);
    } finally {
      await own.destroy();
    }
  }

  async #function(effects: Effects, args: unknown[], { way, input, timeout }: Purpose): Promise<Outcome> {
    const call = this.script.call(way, [scriptFunctions(effects, this), input, ...args]);
    if (timeout == null) return call;
    const timer = new AbortController();
    const slow = new Promise<Outcome>((resolve) => {
      const at = setTimeout(() => resolve({ code: terminated, message: late }), timeout).unref();
      timer.signal.addEventListener("abort", () => clearTimeout(at));
    });
    return Promise.race([call, slow]).finally(() => timer.abort());
  }

  async #command(root: SubContainer, procedure: DockerProcedure, { input, timeout }: Purpose): Promise<Outcome> {
    const { format } = procedure;
    const command = [procedure.entrypoint, ...procedure.args];
    // Without a format there is no way to write an input.
    const given = input !== undefined && format !== null ? { input: encode(format, input) } : {};
    const env = procedure.inject ? { env: { HOME: "/root" } } : {};
    const { exitCode, exitSignal, stdout, stderr } = await root.exec(command, { ...given, ...env }, timeout ?? null);
    if (exitCode === 0 || exitCode === terminated) return { code: 0, value: decode(format, String(stdout)) };
    return { code: exitCode ?? terminated, message: String(stderr).trim().slice(-2000) || String(stdout).trim().slice(-2000) || (exitSignal ? late : "") };
  }

  async #system(effects: Effects, procedure: DockerProcedure, { input }: Purpose): Promise<Outcome> {
    if (procedure.image === "compat") return runCompat(effects, this.places, procedure, input);
    return { code: 1, message: `the package needs the image ${JSON.stringify(procedure.image)} of StartOS 0.3, which is not here` };
  }
}

function inPackage(image: string): boolean {
  return existsSync(join(place("images"), `${image}.json`));
}
