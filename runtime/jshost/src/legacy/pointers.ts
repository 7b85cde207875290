import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Effects } from "@hearthos/sdk/effects";
import { isRecord } from "@hearthos/sdk/values";
import { log } from "../log.js";
import { member } from "./form.js";
import { idToday, ownVolume, type Manifest } from "./manifest.js";
import { find } from "./jsonpath.js";
import { mountedOf } from "./places.js";

// As deep as a description of a form may be.
const maxDepth = 16;

/** Fills in what a configuration has from elsewhere: addresses, and values of the configurations of other packages. */
export async function fillPointers(effects: Effects, manifest: Manifest, spec: unknown, config: Record<string, unknown>): Promise<Record<string, unknown>> {
  return fill(effects, manifest, spec, config, 0);
}

async function fill(effects: Effects, manifest: Manifest, spec: unknown, config: Record<string, unknown>, depth: number): Promise<Record<string, unknown>> {
  const filled: [string, unknown][] = [];
  if (depth <= maxDepth) {
    for (const [key, one] of Object.entries(isRecord(spec) ? spec : {})) {
      if (!isRecord(one)) continue;
      const value = await filledValue(effects, manifest, one, member(config, key), depth);
      if (value !== undefined) filled.push([key, value]);
    }
  }
  return Object.fromEntries([...Object.entries(config), ...filled]);
}

async function filledValue(effects: Effects, manifest: Manifest, spec: Record<string, unknown>, value: unknown, depth: number): Promise<unknown> {
  const inner = (of: unknown, object: Record<string, unknown>) => fill(effects, manifest, of, object, depth + 1);
  const variant = (union: Record<string, unknown>, object: Record<string, unknown>) => inner(member(union["variants"], String(member(object, String(member(union["tag"], "id"))))), object);
  switch (spec["type"]) {
    case "pointer":
      return pointed(effects, manifest, spec);
    case "object":
      return isRecord(value) ? inner(spec["spec"], value) : undefined;
    case "union":
      return isRecord(value) ? variant(spec, value) : undefined;
    case "list": {
      const of = spec["spec"];
      if (!Array.isArray(value) || !isRecord(of)) return undefined;
      if (spec["subtype"] === "object") return Promise.all(value.map((one) => (isRecord(one) ? inner(of["spec"], one) : one)));
      if (spec["subtype"] === "union") return Promise.all(value.map((one) => (isRecord(one) ? variant(of, one) : one)));
    }
  }
  return undefined;
}

async function pointed(effects: Effects, manifest: Manifest, spec: Record<string, unknown>): Promise<unknown> {
  if (spec["subtype"] !== "package") return null;
  const packageId = idToday(String(spec["package-id"]));
  try {
    switch (spec["target"]) {
      case "config":
        return await configured(effects, packageId, String(spec["selector"]), spec["multi"] === true);
      case "lan-address":
        return await address(effects, manifest, packageId, String(spec["interface"]), (name) => name.endsWith(".local"));
      case "tor-address":
        return await address(effects, manifest, packageId, String(spec["interface"]), (name) => name.endsWith(".onion"));
    }
  } catch (err) {
    log(`what the configuration has of ${packageId} cannot be found`, err);
    return null;
  }
  throw new Error(`the configuration has a ${String(spec["target"])} of ${packageId}, which is not there`);
}

/** The configuration of a package that runs by this code, too; null where it has none. */
export async function configOf(effects: Effects, packageId: string): Promise<Record<string, unknown> | null> {
  const folder = await mountedOf(effects, packageId, ownVolume, "", true);
  const text = await readFile(join(folder, "config.json"), "utf8").catch((err: unknown) => {
    if ((err as { code?: unknown }).code === "ENOENT") return "null";
    throw err;
  });
  const config: unknown = JSON.parse(text);
  return isRecord(config) ? config : null;
}

async function configured(effects: Effects, packageId: string, selector: string, multi: boolean): Promise<unknown> {
  if (!(await effects.getStatus({ packageId }))) return null;
  const found = find(await configOf(effects, packageId), selector);
  return multi ? found : (found[0] ?? null);
}

/** A name of an interface: "" where it has none of the kind. */
async function address(effects: Effects, manifest: Manifest, packageId: string, hostId: string, fits: (hostname: string) => boolean): Promise<string> {
  const own = packageId === manifest.id;
  const host = await effects.getHostInfo({ hostId, ...(own ? {} : { packageId }) });
  const names = Object.values(host?.bindings ?? {}).flatMap(({ addresses }) => addresses.available.map(({ hostname }) => hostname));
  return names.find(fits) ?? "";
}
