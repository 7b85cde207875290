import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { Effects } from "@hearthos/sdk/effects";
import type { Places } from "./places.js";

const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** How large a file may be that is read whole. */
export const maxFile = 64 << 20;

/** Reads a text file of a volume. What is no file, a pipe or a device, is not waited for. */
export async function readText(effects: Effects, places: Places, volumeId: unknown, path: unknown): Promise<string> {
  return places.in(effects, volumeId, path, "read", async (found) => {
    const file = await open(found.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const { size } = regular(await file.stat());
      if (size > maxFile) throw new Error(`${JSON.stringify(path)} has ${size} bytes and may have ${maxFile}`);
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  }, { follow: true });
}

/** Writes a text file of a volume; what it held before goes. */
export async function writeText(effects: Effects, places: Places, volumeId: unknown, path: unknown, text: string): Promise<void> {
  await places.in(effects, volumeId, path, "write", async (found) => {
    const file = await open(found.path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o644);
    try {
      regular(await file.stat());
      await file.truncate(0);
      await file.writeFile(text);
    } finally {
      await file.close();
    }
  }, { follow: true });
}

function regular<S extends { isFile(): boolean }>(stats: S): S {
  if (!stats.isFile()) throw new Error("it is no file");
  return stats;
}
