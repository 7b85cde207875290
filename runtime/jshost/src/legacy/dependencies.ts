import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Effects } from "@hearthos/sdk/effects";
import { place } from "@hearthos/sdk/places";
import { deepEqual, isRecord } from "@hearthos/sdk/values";
import { VersionRange } from "@hearthos/sdk/versions/range";
import type { DependencyRequirement } from "@hearthos/sdk/wire";
import { log } from "../log.js";
import { idToday, ownVolume, type Manifest } from "./manifest.js";
import { configOf } from "./pointers.js";
import type { Procedures } from "./procedures.js";
import { valueOf } from "./script.js";

/** Of which packages what is needed: the health checks of each. */
export type DependsOn = Record<string, string[]>;

const file = () => join(place("volumes"), ownVolume, "dependsOn.json");

/** Tells the host what the package needs: what it always does, and what its configuration said last. */
export async function tellDependencies(effects: Effects, manifest: Manifest, configured?: DependsOn): Promise<void> {
  if (configured) await writeFile(file(), JSON.stringify(configured));
  const required = Object.fromEntries([...manifest.dependencies].filter(([, { required: always }]) => always).map(([id]) => [id, [] as string[]]));
  const needed: DependsOn = { ...required, ...(configured ?? (await lastNeeded())) };
  const dependencies = Object.entries(needed).flatMap(([id, healthChecks]): DependencyRequirement[] => {
    const one = manifest.dependencies.get(id);
    return one ? [{ id, kind: "running", healthChecks, versionRange: rangeToday(one.version) }] : [];
  });
  await effects.setDependencies({ dependencies });
}

/** Reads what the configuration needs from the answer of its procedure. */
export function neededOf(answer: unknown): DependsOn {
  const found = isRecord(answer) ? (answer["depends-on"] ?? answer["dependsOn"]) : null;
  return Object.fromEntries(Object.entries(isRecord(found) ? found : {}).map(([id, checks]) => [idToday(id), Array.isArray(checks) ? checks.map(String) : []]));
}

async function lastNeeded(): Promise<DependsOn> {
  const text = await readFile(file(), "utf8").catch(() => "{}");
  return neededOf({ "depends-on": JSON.parse(text) as unknown });
}

function rangeToday(range: string): string {
  try {
    return VersionRange.parseEmver(range).toString();
  } catch {
    return "*";
  }
}

/**
 * Has people configure the packages that this one depends on, where those run by this code, too, and are not configured as it
 * needs them. A package that is not there, or of another kind, is passed over.
 */
export async function configureDependencies(effects: Effects, procedures: Procedures): Promise<void> {
  const { manifest } = procedures;
  for (const [id, { check, autoConfigure }] of manifest.dependencies) {
    if (!check && !autoConfigure) continue;
    try {
      await configureOne(effects, procedures, id);
    } catch (err) {
      log(`whether ${id} is configured as this package needs it cannot be told`, err);
    }
  }
}

async function configureOne(effects: Effects, procedures: Procedures, id: string): Promise<void> {
  const { check, autoConfigure } = procedures.manifest.dependencies.get(id)!;
  if (!(await effects.getStatus({ packageId: id }))) return;
  const config = await configOf(effects, id);
  if (!config) return;
  const replayId = `${id}/config`;
  const fits = check ? await procedures.run(effects, check, { way: ["dependencies", id, "check"], name: `check ${id}`, input: config }) : { code: 1, message: "" };
  if ("value" in fits) return void (await effects.action.clearTasks({ only: [replayId] }));
  if (!autoConfigure) return;
  const wanted = valueOf(await procedures.run(effects, autoConfigure, { way: ["dependencies", id, "autoConfigure"], name: `configure ${id}`, input: structuredClone(config) }));
  const changes = isRecord(wanted) ? difference(config, wanted) : {};
  if (Object.keys(changes).length === 0) return;
  const reason = fits.message || `${procedures.manifest.title} needs it configured like this`;
  await effects.action.createTask({ packageId: id, actionId: "config", replayId, severity: "important", reason, input: { kind: "partial", accept: [changes], set: changes }, when: { condition: "input-not-matches", once: false } });
}

/** What of a value is other than it was: the members that changed, at any depth. */
export function difference(before: Record<string, unknown>, after: Record<string, unknown>): Record<string, unknown> {
  const changed: [string, unknown][] = [];
  for (const [key, value] of Object.entries(after)) {
    const old = Object.hasOwn(before, key) ? before[key] : undefined;
    if (deepEqual(old, value)) continue;
    changed.push([key, isRecord(old) && isRecord(value) ? difference(old, value) : value]);
  }
  return Object.fromEntries(changed);
}
