import { mkdir } from "node:fs/promises";
import { isRecord } from "@hearthos/sdk/values";
import type { Effects } from "@hearthos/sdk/effects";
import { copyTree } from "./copying.js";
import { readText, writeText } from "./files.js";
import { yamlText } from "./formats.js";
import { backupVolume, type DockerProcedure } from "./manifest.js";
import type { Places } from "./places.js";
import type { Outcome } from "./script.js";

/**
 * Does what the image "compat" of StartOS 0.3 did, which is in no package file: backups of a folder, a configuration that is
 * described by a file of the package, properties that the service writes into one. Its rules for configurations are not
 * looked at.
 */
export async function runCompat(effects: Effects, places: Places, procedure: DockerProcedure, input: unknown): Promise<Outcome> {
  const words = [procedure.entrypoint.split("/").at(-1), ...procedure.args];
  const [program, subject, verb, ...rest] = words;
  const volume = (path: string | undefined) => inVolume(procedure, path);
  if (program !== "compat") return { code: 1, message: `the image "compat" has no command ${program}` };
  switch (`${subject} ${subject === "properties" ? "" : verb}`.trim()) {
    case "duplicity create":
      return backUp(effects, places, volume(rest[1]), volume(rest[0]));
    case "duplicity restore":
      return restore(effects, places, volume(rest[0]), volume(rest[1]));
    case "config get":
      return { code: 0, value: { config: await readYaml(effects, places, volume(rest[0]), "start9/config.yaml"), spec: await readYaml(effects, places, volume(rest[1]), "") } };
    case "config set":
      await writeYaml(effects, places, volume(rest[1]), "start9/config.yaml", input);
      return { code: 0, value: { signal: "SIGTERM", "depends-on": {} } };
    case "dependency check":
      return { code: 0, value: null };
    case "dependency auto-configure":
      return { code: 0, value: input };
    case "properties":
      return { code: 0, value: (await readYaml(effects, places, volume(verb), "start9/stats.yaml")) ?? notYet(rest[0]) };
  }
  return { code: 1, message: `"compat ${words.slice(1).join(" ")}" does not run here` };
}

interface Place {
  id: string;
  path: string;
}

/** Which volume a path in the root of a procedure lies in, and where in it. */
export function inVolume({ mounts }: DockerProcedure, path: string | undefined): Place {
  const wanted = `${path ?? ""}/`.replace(/\/+/g, "/");
  let best: { id: string; mountpoint: string } | undefined;
  for (const [id, mountpoint] of Object.entries(mounts)) {
    const whole = `${mountpoint}/`.replace(/\/+/g, "/");
    if (wanted.startsWith(whole) && whole.length > (best?.mountpoint.length ?? 0)) best = { id, mountpoint: whole };
  }
  if (!best) throw new Error(`${JSON.stringify(path ?? "")} is in no volume of the procedure`);
  return { id: best.id, path: wanted.slice(best.mountpoint.length) };
}

// What is copied has a folder of its own: the host keeps something beside it.
const files = "files";

async function backUp(effects: Effects, places: Places, data: Place, backup: Place): Promise<Outcome> {
  if (backup.id !== backupVolume) return { code: 1, message: "a backup is made into the volume for backups" };
  await places.in(effects, data.id, data.path, "read", async (from) => {
    const ignored = await readText(effects, places, data.id, `${data.path}.backupignore`).catch(() => "");
    await places.in(effects, backup.id, backup.path, "write", ({ path }) => mkdir(`${path}/${files}`, { recursive: true }));
    await places.in(effects, backup.id, `${backup.path}/${files}`, "write", (to) => copyTree(from, to, { delete: true, force: true, ignoreExisting: false, exclude: patterns(ignored) }));
  });
  return { code: 0, value: null };
}

// A line is a path of the folder that is left out; one with "!" before it comes back, which is rsync's other way round.
function patterns(text: string): string[] {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("!"));
  return lines.slice(0, 256).map((line) => `/${line.replace(/^\.?\/+/, "")}`);
}

async function restore(effects: Effects, places: Places, backup: Place, data: Place): Promise<Outcome> {
  await places.in(effects, backup.id, `${backup.path}/${files}`, "read", (from) =>
    places.in(effects, data.id, data.path, "write", (to) => copyTree(from, to, { delete: true, force: true, ignoreExisting: false, exclude: [] })),
  );
  return { code: 0, value: null };
}

async function readYaml(effects: Effects, places: Places, { id, path }: Place, below: string): Promise<unknown> {
  const text = await readText(effects, places, id, `${path}${below}`).catch((err: unknown) => {
    if ((err as { code?: unknown }).code === "ENOENT") return null;
    throw err;
  });
  return text === null ? null : yamlText.read(text);
}

async function writeYaml(effects: Effects, places: Places, { id, path }: Place, below: string, value: unknown): Promise<void> {
  if (!isRecord(value)) throw new Error("a configuration is an object");
  await places.in(effects, id, path, "write", async (found) => mkdir(`${found.path}/start9`, { recursive: true }));
  await writeText(effects, places, id, `${path}${below}`, yamlText.write(value));
}

function notYet(message: string | undefined): unknown {
  const value = message ?? "There are no properties yet: the service may still be starting";
  return { version: 2, data: { "Not Ready": { type: "string", value, description: null, qr: false, copyable: false, masked: false } } };
}
