import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { place } from "./places.js";

/** Something that has files beneath it. */
export interface PathBase {
  subpath(path: string): string;
}
type Written = Parameters<typeof writeFile>[1];

/**
 * A volume of the package: a folder that lives as long as the package is installed.
 * @example
 * await volume.writeFile("www/index.html", "<h1>Hello</h1>");
 * assert.equal(await volume.readFile("www/index.html", "utf8"), "<h1>Hello</h1>");
 */
export class Volume<Id extends string = string> implements PathBase {
  constructor(readonly id: Id) {}

  get path(): string {
    return join(place("volumes"), this.id);
  }

  /** The path of something in the volume. */
  subpath(path: string): string {
    return join(this.path, path);
  }

  async readFile(path: string, options?: Parameters<typeof readFile>[1]): Promise<Buffer | string> {
    return readFile(this.subpath(path), options);
  }

  /** Writes a file, and makes the folders above it. */
  async writeFile(path: string, data: Written, options?: Parameters<typeof writeFile>[2]): Promise<void> {
    const file = this.subpath(path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, data, options);
  }
}

export type Volumes<Ids extends string> = { [Id in Ids]: Volume<Id> };

export function createVolumes<Ids extends string>(ids: readonly Ids[]): Volumes<Ids> {
  return Object.fromEntries(ids.map((id) => [id, new Volume(id)])) as Volumes<Ids>;
}
