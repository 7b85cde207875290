import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { succeed } from "@hearthos/sdk/commands";
import type { Effects } from "@hearthos/sdk/effects";
import { place } from "@hearthos/sdk/places";
import { ownVolume } from "./manifest.js";
import type { Procedures } from "./procedures.js";
import { valueOf } from "./script.js";

// What the host adds to what the package's procedure makes.
const versionFile = "dataVersion.txt";
const ownFolder = "hearth-own";

/** Has the package make its backup, and adds what the host keeps of it. */
export async function createBackup(effects: Effects, procedures: Procedures): Promise<void> {
  valueOf(await procedures.run(effects, procedures.manifest.backup.create, { way: ["createBackup"], name: "backup" }));
  const target = join(place("backup"), ownFolder);
  await mkdir(target, { recursive: true });
  await succeed("rsync", ["-rlptgo", "--delete", `${join(place("volumes"), ownVolume)}/`, `${target}/`]);
  const version = await effects.getDataVersion();
  if (version !== null) await writeFile(join(place("backup"), versionFile), version);
}

/** Has the package put its data back. */
export async function restoreBackup(effects: Effects, procedures: Procedures): Promise<void> {
  valueOf(await procedures.run(effects, procedures.manifest.backup.restore, { way: ["restoreBackup"], name: "restore" }));
  const source = join(place("backup"), ownFolder);
  if (await stat(source).catch(() => null)) await succeed("rsync", ["-rlptgo", `${source}/`, `${join(place("volumes"), ownVolume)}/`]);
  const version = await readFile(join(place("backup"), versionFile), "utf8").catch(() => null);
  if (version !== null) await effects.setDataVersion({ version: version.trim() });
}
