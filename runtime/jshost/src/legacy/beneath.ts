import { constants } from "node:fs";
import { open, readlink, type FileHandle } from "node:fs/promises";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
// As many as the kernel follows.
const maxLinks = 40;

/** The way to a file was to leave the folder. */
export class EscapeError extends Error {
  override readonly name = "EscapeError";
  constructor(path: string) {
    super(`${JSON.stringify(path)} leads out of its volume`);
  }
}

/** Where something is: in a folder that is held open, by its name there; "." for the folder itself. */
export interface Found {
  folder: FileHandle;
  name: string;
  /** A path for this process alone. The last part of it may be a link by now: it must not be followed. */
  path: string;
}

export interface Way {
  /** Follows a link at the end, too. */
  follow?: boolean;
}

/**
 * Finds a path beneath a folder in which others change things meanwhile. Each folder on the way is opened in the one before,
 * never through a link: links are followed by hand and stay beneath the folder like everything, and what lies there need not
 * exist. Absolute links lead out of it. The folder found is open as long as use takes.
 */
export async function beneath<T>(root: string, path: string, use: (found: Found) => Promise<T>, { follow = false }: Way = {}): Promise<T> {
  const folders = [await open(root, O_RDONLY | O_DIRECTORY)];
  try {
    return await use(await walk(folders, path, follow));
  } finally {
    for (const folder of folders) await folder.close();
  }
}

async function walk(folders: FileHandle[], path: string, follow: boolean): Promise<Found> {
  if (path.includes("\0")) throw new EscapeError(path);
  const rest = path.split("/").filter(isStep).reverse();
  for (let links = 0; rest.length > 0; ) {
    const name = rest.pop()!;
    if (name === "..") {
      if (folders.length === 1) throw new EscapeError(path);
      await folders.pop()!.close();
      continue;
    }
    const at = inside(folders.at(-1)!, name);
    const to = rest.length > 0 || follow ? await readlink(at).catch(() => null) : null;
    if (to !== null) {
      if (to.startsWith("/") || ++links > maxLinks) throw new EscapeError(path);
      rest.push(...to.split("/").filter(isStep).reverse());
    } else if (rest.length === 0) return { folder: folders.at(-1)!, name, path: at };
    else folders.push(await open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  }
  return { folder: folders.at(-1)!, name: ".", path: inside(folders.at(-1)!, ".") };
}

const isStep = (name: string) => name !== "" && name !== ".";

/** A path of something in a folder that is open, for this process. */
export function inside(folder: FileHandle, name: string): string {
  return `/proc/self/fd/${folder.fd}/${name}`;
}
