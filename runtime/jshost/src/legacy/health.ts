import type { Effects } from "@hearthos/sdk/effects";
import type { SubContainer } from "@hearthos/sdk/subcontainer";
import { delay } from "@hearthos/sdk/values";
import type { HealthResult } from "@hearthos/sdk/wire";
import { log } from "../log.js";
import type { HealthCheck } from "./manifest.js";
import type { Procedures } from "./procedures.js";
import { makeRoot } from "./roots.js";
import type { Outcome } from "./script.js";

/** How often a check runs; more often until it is well for the first time, in milliseconds. */
const interval = 15_000;
const soonest = 1_000;

/** The codes by which a check tells that it is not ill. */
const codes: Record<number, "disabled" | "starting" | "loading"> = { 59: "disabled", 60: "starting", 61: "loading" };

/** Runs the checks of a package until the signal, one loop each. Ends when all have. */
export async function watchHealth(effects: Effects, procedures: Procedures, end: AbortSignal): Promise<void> {
  const began = Date.now();
  await Promise.all([...procedures.manifest.healthChecks].map(([id, check]) => watchOne(effects, procedures, id, check, began, end)));
}

async function watchOne(effects: Effects, procedures: Procedures, id: string, check: HealthCheck, began: number, end: AbortSignal): Promise<void> {
  const { name, procedure, timeout } = check;
  const tell = (result: HealthResult) => effects.setHealth({ id, name, ...result }).catch((err: unknown) => end.aborted || log(`the check ${name} cannot be told`, err));
  await tell({ result: "starting", message: null });
  // A command that looks from outside has one root for all its runs.
  let root: SubContainer | undefined;
  try {
    for (let pause = soonest; !end.aborted; pause = Math.min(pause * 2, interval)) {
      await delay(pause, end);
      if (end.aborted) break;
      const outcome = await (async (): Promise<Outcome> => {
        if (procedure.type === "docker" && !procedure.inject && !procedure.system) root ??= await makeRoot(effects, procedures.manifest, procedure, `check ${id}`);
        return procedures.run(effects, procedure, { way: ["health", id], name: `check ${id}`, input: Date.now() - began, timeout, ...(root ? { root } : {}) });
      })().catch((err: unknown): Outcome => ({ code: 1, message: err instanceof Error ? err.message : String(err) }));
      if (end.aborted) break;
      if ("value" in outcome) pause = interval;
      await tell(resultOf(outcome, check));
    }
  } finally {
    await root?.destroy().catch((err: unknown) => log(`the root of the check ${name} cannot be removed`, err));
  }
}

function resultOf(outcome: Outcome, { successMessage }: HealthCheck): HealthResult {
  if ("value" in outcome) return { result: "success", message: successMessage };
  const message = outcome.message || `the check ended with ${outcome.code}`;
  return { result: codes[outcome.code] ?? "failure", message } as HealthResult;
}
