import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Effects } from "@hearthos/sdk/effects";
import { place } from "@hearthos/sdk/places";
import { beneath, type Found, type Way } from "./beneath.js";
import { backupVolume, ownVolume, type Manifest } from "./manifest.js";

/** Whether something may be changed there. */
type Use = "read" | "write";

/**
 * The volumes of a package, for its script. Everything in them is found beneath their roots: neither ".." nor a link that the
 * service made leads out of one.
 */
export class Places {
  constructor(readonly manifest: Manifest) {}

  /** Finds a path in a volume. Leading slashes mean the volume. */
  async in<T>(effects: Effects, volumeId: unknown, path: unknown, use: Use, act: (found: Found) => Promise<T>, way?: Way): Promise<T> {
    if (typeof volumeId !== "string" || typeof path !== "string") throw new Error("a volume and a path are needed");
    return beneath(await this.#root(effects, volumeId, use), path, act, way);
  }

  async #root(effects: Effects, id: string, use: Use): Promise<string> {
    if (id === backupVolume) return place("backup");
    if (id === ownVolume) return join(place("volumes"), id);
    const volume = this.manifest.volumes.get(id);
    switch (volume?.type) {
      case "data":
        if (volume.readonly && use === "write") throw new Error(`the volume ${JSON.stringify(id)} is to be read alone`);
        await mkdir(join(place("volumes"), id), { recursive: true });
        return join(place("volumes"), id);
      case "assets":
        if (use === "write") throw new Error(`the volume ${JSON.stringify(id)} is a part of the package file`);
        return join(place("assets"), id);
      case "pointer":
        if (volume.readonly && use === "write") throw new Error(`the volume ${JSON.stringify(id)} is to be read alone`);
        return mountedOf(effects, volume.packageId, volume.volumeId, volume.path, volume.readonly);
      case "backup":
        return place("backup");
    }
    throw new Error(`the package has no volume ${JSON.stringify(id)} with files`);
  }
}

// Mounted once in the life of the container, which is that of this program.
const mounted = new Map<string, Promise<string>>();

/** Mounts a part of a volume of another package in this container, and answers where it is. It throws where there is none. */
export function mountedOf(effects: Effects, packageId: string, volumeId: string, path: string, readonly: boolean): Promise<string> {
  const location = join(process.env["HEARTH_PACKAGE_ROOT"] ?? "/media", "embassy", packageId, volumeId, encodeURIComponent(path), readonly ? "ro" : "rw");
  const known = mounted.get(location);
  if (known) return known;
  const made = (async () => {
    await mkdir(location, { recursive: true });
    await effects.mount({ location, target: { packageId, volumeId, subpath: path.replace(/^\/+/, "") || null, readonly, idmap: [] } });
    return location;
  })();
  mounted.set(location, made);
  made.catch(() => mounted.delete(location));
  return made;
}
