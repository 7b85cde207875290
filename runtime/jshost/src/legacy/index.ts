/**
 * Runs the code of packages for StartOS 0.3, which a converted package file holds as it was: a description of procedures,
 * each a command in an image or a function of a script. It is made here what packages of today are, a set of calls that use
 * the effects, so that the server knows nothing of it. It is a module of its own, which other packages do not load.
 *
 *     manifest.ts    what the package says of itself       procedures.ts  how a procedure runs
 *     script.ts      its script                            functions.ts   what scripts get from their host
 *     places.ts      volumes, beneath.ts ways in them      roots.ts       roots of commands
 *     settings.ts    the configuration, form.ts as a form  pointers.ts    what it has from elsewhere
 *     main.ts, health.ts, network.ts, dependencies.ts, actions.ts, migrations.ts, backup.ts: the parts of the life
 *     compat.ts      what the image "compat" did
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Effects } from "@hearthos/sdk/effects";
import { place } from "@hearthos/sdk/places";
import type { Package } from "../package.js";
import { actionsOf, tellActions } from "./actions.js";
import { createBackup, restoreBackup } from "./backup.js";
import { configureDependencies, tellDependencies } from "./dependencies.js";
import { beginMain } from "./main.js";
import { ownVolume, readManifest } from "./manifest.js";
import { migrate } from "./migrations.js";
import { tellNetwork } from "./network.js";
import { Places } from "./places.js";
import { Procedures } from "./procedures.js";
import { Script } from "./script.js";
import { needsConfig, Settings } from "./settings.js";

/** Makes a package of today of the folder of one of StartOS 0.3. */
export async function legacyPackage(dir: string): Promise<Package> {
  const manifest = readManifest(await readFile(join(dir, "embassyManifest.json"), "utf8"));
  const procedures = new Procedures(manifest, new Script(dir), new Places(manifest));
  const settings = new Settings(procedures);
  const actions = actionsOf(procedures, settings);
  const made: Described = {
    init: async ({ effects, kind }) => {
      await mkdir(join(place("volumes"), ownVolume), { recursive: true });
      if (kind === "restore") await restoreBackup(effects, procedures);
      await tellNetwork(effects, manifest);
      await tellDependencies(effects, manifest);
      await tellActions(effects, actions);
      await reachVersion(effects, procedures, settings);
      await configureDependencies(effects, procedures);
    },
    main: async ({ effects }) => ({ build: () => beginMain(effects, procedures) }),
    uninit: async ({ effects, target }) => {
      if (target === null) await effects.setDataVersion({ version: null });
      const version = versionOf(target);
      if (version === null) return;
      await migrate(effects, procedures, "to", version);
      await effects.setDataVersion({ version });
    },
    createBackup: ({ effects }) => createBackup(effects, procedures),
    actions,
  };
  return made as unknown as Package;
}

/** A package as this module makes it, with the effects as the SDK describes them. */
interface Described {
  init(options: { effects: Effects; kind: string | null }): Promise<void>;
  main(options: { effects: Effects }): Promise<{ build(): Promise<{ term(): Promise<void> }> }>;
  uninit(options: { effects: Effects; target: unknown }): Promise<void>;
  createBackup(options: { effects: Effects }): Promise<void>;
  actions: ReturnType<typeof actionsOf>;
}

/** Brings the data to the package's version; a package that was never configured asks people for that first. */
async function reachVersion(effects: Effects, procedures: Procedures, settings: Settings): Promise<void> {
  const { config, version } = procedures.manifest;
  const before = await effects.getDataVersion();
  const migrated = before === null ? null : await migrate(effects, procedures, "from", before);
  if (config) {
    const configured = migrated ? migrated.configured : before !== null || (await settings.chosen(effects));
    if (!configured) await effects.action.createTask({ packageId: procedures.manifest.id, actionId: "config", replayId: needsConfig, severity: "critical", reason: "Configure the service before it starts" });
    else if (migrated) await settings.refresh(effects);
  }
  if (before !== version) await effects.setDataVersion({ version });
}

/** The version of a target that is one; a range names none that the package could go to, and it stays where it is. */
function versionOf(target: unknown): string | null {
  return target !== null && typeof target === "object" && "upstream" in target ? String(target) : null;
}
