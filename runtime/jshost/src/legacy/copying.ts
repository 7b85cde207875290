import { spawn } from "node:child_process";
import { open, type FileHandle } from "node:fs/promises";
import { constants } from "node:fs";
import { inside, type Found } from "./beneath.js";

const kept = 64 << 10;

/** A program that did not succeed. */
export class ProgramError extends Error {
  override readonly name = "ProgramError";
}

/**
 * Runs a program on folders that are open: it has them as its descriptors from 3 on, so that the ways to them cannot change
 * meanwhile. Answers what it printed.
 */
export async function runOn(folders: FileHandle[], program: string, args: string[], onPrinted?: (text: string) => void): Promise<string> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe", ...folders.map(({ fd }) => fd)] });
  let [printed, complained] = ["", ""];
  child.stdout!.on("data", (chunk: Buffer) => {
    onPrinted?.(chunk.toString());
    printed = (printed + chunk.toString()).slice(-kept);
  });
  child.stderr!.on("data", (chunk: Buffer) => (complained = (complained + chunk.toString()).slice(-kept)));
  const code = await new Promise<number | string | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exit, signal) => resolve(exit ?? signal));
  });
  if (code !== 0) throw new ProgramError(`${program} ended with ${code}: ${complained.trim().slice(-2000)}`);
  return printed;
}

/** A path for a program that has the folder as this descriptor. */
export const at = (descriptor: number, name: string) => `/proc/self/fd/${descriptor}/${name}`;

export interface SyncOptions {
  delete: boolean;
  force: boolean;
  ignoreExisting: boolean;
  exclude: string[];
}

/** Copies what is in one folder into another by rsync, with owners, times and links. Its progress is from 0 to 1. */
export async function copyTree(from: Found, to: Found, options: SyncOptions, progress: (part: number) => void = () => {}): Promise<void> {
  const folders = [await openFolder(from), await openFolder(to)];
  try {
    const args = ["-actAXH", "--info=progress2", "--no-inc-recursive"];
    if (options.delete) args.push("--delete");
    if (options.force) args.push("--force");
    if (options.ignoreExisting) args.push("--ignore-existing");
    for (const pattern of options.exclude) args.push(`--exclude=${pattern}`);
    await runOn(folders, "rsync", [...args, at(3, "./"), at(4, "./")], (text) => {
      const percent = /(\d+)%(?![^]*\d%)/.exec(text)?.[1];
      if (percent !== undefined) progress(Number(percent) / 100);
    });
  } finally {
    for (const folder of folders) await folder.close();
  }
}

/** Opens what was found, which must be a folder. */
export function openFolder({ folder, name }: Found): Promise<FileHandle> {
  return open(inside(folder, name), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
}
