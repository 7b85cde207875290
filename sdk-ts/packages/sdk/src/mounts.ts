import { mkdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { succeed } from "./commands.js";
import type { Effects } from "./effects.js";
import { place } from "./places.js";
import type { IdMap } from "./wire.js";

export type FileType = "file" | "directory" | "infer";
interface Shared {
  subpath: string | null;
  mountpoint: string;
  type?: FileType;
  idmap?: { fromId: number; toId: number; range?: number }[];
}
export type VolumeMount<Volume extends string> = Shared & { volumeId: Volume; readonly: boolean };
export type DependencyMount<Id extends string = string, Volume extends string = string> = Shared & { dependencyId: Id; volumeId: Volume; readonly: boolean };
export type MountOptions =
  | { type: "volume"; volumeId: string; subpath: string | null; readonly: boolean; filetype: FileType; idmap: IdMap[] }
  | { type: "assets"; subpath: string | null; filetype: FileType; idmap: IdMap[] }
  | { type: "pointer"; packageId: string; volumeId: string; subpath: string | null; readonly: boolean; idmap: IdMap[] };
export interface MountEntry {
  mountpoint: string;
  options: MountOptions;
}

/**
 * What is to be seen where in a subcontainer: own volumes, assets, and volumes of other packages. Immutable.
 * @example
 * const mounts = Mounts.of<"main">()
 *   .mountVolume({ volumeId: "main", subpath: "www", mountpoint: "/srv", readonly: false })
 *   .mountDependency({ dependencyId: "filebrowser", volumeId: "data", subpath: null, mountpoint: "/files", readonly: true });
 * assert.equal(mounts.build().length, 2);
 */
export class Mounts<Volume extends string = string, _Dependencies extends string = string> {
  private constructor(
    readonly entries: readonly MountEntry[],
    /** Whether own volumes that are mounted to be read can be written all the same, as with the original. */
    readonly lenient: boolean,
  ) {}

  static of<Volume extends string>({ lenient = false } = {}): Mounts<Volume> {
    return new Mounts<Volume>([], lenient);
  }

  mountVolume({ volumeId, subpath, mountpoint, readonly, type, idmap }: VolumeMount<Volume>): Mounts<Volume, _Dependencies> {
    return this.#with(mountpoint, { type: "volume", volumeId, subpath, readonly, filetype: type ?? "directory", idmap: ranges(idmap) });
  }
  mountAssets({ subpath, mountpoint, type, idmap }: Shared): Mounts<Volume, _Dependencies> {
    return this.#with(mountpoint, { type: "assets", subpath, filetype: type ?? "directory", idmap: ranges(idmap) });
  }
  /** Type the other package's manifest to have its names held to it. */
  mountDependency<Other extends { id: string; volumes: readonly string[] } = { id: string; volumes: string[] }>(options: DependencyMount<Other["id"], Other["volumes"][number]>): Mounts<Volume, _Dependencies> {
    return this.#pointer(options);
  }
  #pointer({ dependencyId, volumeId, subpath, mountpoint, readonly, idmap }: DependencyMount): Mounts<Volume, _Dependencies> {
    return this.#with(mountpoint, { type: "pointer", packageId: dependencyId, volumeId, subpath, readonly, idmap: ranges(idmap) });
  }

  #with(mountpoint: string, options: MountOptions): Mounts<Volume, _Dependencies> {
    if (this.entries.some((entry) => entry.mountpoint === mountpoint)) throw new Error(`two mounts cannot both be at ${mountpoint}`);
    return new Mounts<Volume, _Dependencies>([...this.entries, { mountpoint, options }], this.lenient);
  }

  build(): MountEntry[] {
    return [...this.entries];
  }

  /** Mounts all of it in a root, in the order in which it was said. */
  async mountIn(effects: Effects, rootfs: string): Promise<void> {
    for (const { mountpoint, options } of this.entries) {
      const target = join(rootfs, mountpoint);
      if (options.type === "pointer") {
        const { packageId, volumeId, subpath, readonly, idmap } = options;
        await mkdir(target, { recursive: true });
        await effects.mount({ location: target, target: { packageId, volumeId, subpath, readonly, idmap } });
      } else await this.#bind(options, target);
    }
  }

  async #bind(options: Exclude<MountOptions, { type: "pointer" }>, target: string): Promise<void> {
    const base = options.type === "volume" ? join(place("volumes"), options.volumeId) : place("assets");
    const source = join(base, options.subpath ?? "");
    // A folder that is made here is no volume: what is written to it goes with the container.
    if (options.type === "volume" && !this.lenient && !(await stat(base).catch(() => null))) throw new Error(`the volume ${options.volumeId} cannot be mounted: the package has none of that name`);
    const found = await stat(source).catch(() => null);
    const file = options.filetype === "file" || (options.filetype === "infer" && (found?.isFile() ?? false));
    if (!found) await create(source, file);
    const args = ["bind-mount", "--source", source, "--target", target, ...(file ? ["--file"] : ["--recursive"])];
    if (options.type === "volume" && options.readonly && !this.lenient) args.push("--readonly");
    for (const { fromId, toId, range } of options.idmap) args.push("--idmap", `${fromId}:${toId}:${range}`);
    await succeed("start-container", args);
  }
}

function ranges(idmap: Shared["idmap"]): IdMap[] {
  return (idmap ?? []).map(({ fromId, toId, range }) => ({ fromId, toId, range: range ?? 1 }));
}

async function create(path: string, file: boolean): Promise<void> {
  await mkdir(file ? dirname(path) : path, { recursive: true });
  if (file) await writeFile(path, "", { flag: "a" });
}
