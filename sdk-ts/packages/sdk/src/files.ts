import { watch as watchFolder, type FSWatcher } from "node:fs";
import { chmod, chown, mkdir, open, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Codec } from "./codecs/codec.js";
import type { Effects } from "./effects.js";
import { parse, type Schema } from "./schema.js";
import { deepEqual, deepMerge, isRecord, withUnknown } from "./values.js";
import { Watchable, type Heard } from "./watch.js";
import type { AllowReadonly, DeepPartial } from "./wire.js";
import type { PathBase } from "./volumes.js";

/** A path, or one within something that has files: a volume, or the root of a subcontainer. */
export type ToPath = string | { base: PathBase; subpath: string };

/** A value read from a file: null where the file is missing or empty. */
export interface Reader<T> {
  once(): Promise<T | null>;
  const(effects: Effects): Promise<T | null>;
  watch(effects: Effects, abort?: AbortSignal): AsyncGenerator<T | null, never, unknown>;
  onChange(effects: Effects, callback: (value: T | null, error?: Error) => Heard | Promise<Heard>): void;
  waitFor(effects: Effects, pred: (value: T | null) => boolean): Promise<T | null>;
}

/** Between what stands in the file and what the package works with. */
export interface Transformers<Raw = unknown, Transformed = unknown, Validated extends Transformed = Transformed> {
  onRead: (value: Raw) => Transformed;
  onWrite: (value: Validated) => Raw;
}

export interface WriteOptions {
  /** Lets a context change what it has read with `const`, which runs it again. */
  allowWriteAfterConst?: boolean;
}

/**
 * A file with a shape. What is read has been through the schema; members that the schema does not know are kept, in what is
 * read and in what is written. A file is replaced as a whole, so nobody ever sees half of one.
 * @example
 * const settings = file.json({ base: volume, subpath: "settings.json" }, defaults({ name: "Ada", retries: 3 }));
 * await settings.write(effects, { name: "Ada", retries: 3 });
 * await settings.merge(effects, { retries: 5 }); // the rest stays
 * assert.equal(await settings.read((all) => all.retries).once(), 5);
 */
export class FileModel<T> {
  // What a context has read with `const`: it may not write another value by mistake, or it would run for ever.
  readonly #consts = new WeakMap<object, ((next: T) => boolean)[]>();

  constructor(
    private readonly to: ToPath,
    private readonly codec: Codec,
    private readonly shape: Schema<T>,
    private readonly transformers?: Transformers<any, any, any>,
    private readonly keepUnknown = true,
    /** The mode of the file when it is made. */
    private readonly mode = 0o644,
  ) {}

  get path(): string {
    return typeof this.to === "string" ? this.to : this.to.base.subpath(this.to.subpath);
  }

  /** The same shape of another file. */
  withPath(to: ToPath): FileModel<T> {
    return new FileModel(to, this.codec, this.shape, this.transformers, this.keepUnknown, this.mode);
  }

  /** Takes a value as the file would give it. */
  validate = (value: unknown): T => {
    const read = parse(this.shape, value);
    return this.keepUnknown ? (withUnknown(read, value) as T) : read;
  };
  readData = (text: string): unknown => {
    const raw = this.codec.decode(unmarked(text));
    return this.transformers ? this.transformers.onRead(raw) : raw;
  };
  writeData = (value: T): string => this.#encode(value, undefined);

  /** Reads the file, or a part of what is in it. */
  read(): Reader<T>;
  read<B>(map: (value: T) => B, eq?: (left: B | null, right: B | null) => boolean): Reader<B>;
  read<B>(map: (value: T) => B = (value) => value as unknown as B, eq: (left: B | null, right: B | null) => boolean = deepEqual): Reader<B> {
    const mapped = async () => {
      const value = await this.#read();
      return value === null ? null : map(value);
    };
    const watched = (effects: Effects) => new Watchable<B | null>(effects, (callback) => this.#watched(effects, mapped, callback), { eq, outlasts: true });
    return {
      once: mapped,
      const: async (effects) => {
        const value = await watched(effects).const();
        if (effects.constRetry) {
          const same = (next: T) => eq(value, map(next));
          this.#consts.set(effects, [...(this.#consts.get(effects) ?? []), same]);
        }
        return value;
      },
      watch: (effects, abort) => watched(effects).watch(abort),
      onChange: (effects, callback) => watched(effects).onChange((value, error) => callback(value ?? null, error)),
      waitFor: (effects, pred) => watched(effects).waitFor(pred),
    };
  }

  /** Makes the file hold this value. */
  async write(effects: Effects, data: AllowReadonly<T> | T, options: WriteOptions = {}): Promise<null> {
    return alone(this.path, async () => {
      await this.#write(effects, this.validate(data), await this.#text(), options);
      return null;
    });
  }

  /** Changes the members that are given, at any depth; the others, and unknown ones, stay. Nothing is written without a change. */
  async merge(effects: Effects, data: AllowReadonly<DeepPartial<T>>, options: WriteOptions = {}): Promise<null> {
    return alone(this.path, async () => {
      const text = await this.#text();
      const before = text === null || text.trim() === "" ? undefined : this.readData(text);
      if (before !== undefined && !isRecord(before) && isRecord(data)) throw new Error(`${this.path} holds no members that could be changed: it stays as it is`);
      const next = this.validate(before === undefined ? data : deepMerge(before, data));
      await this.#write(effects, next, text, options);
      return null;
    });
  }

  /** Changes what stands in the file, without its shape, as migrations do. A file that is not there stays away. */
  async rewrite(fn: (raw: any) => unknown): Promise<void> {
    return alone(this.path, async () => {
      const text = await this.#text();
      if (text === null || text.trim() === "") return;
      const made = this.#encoded(fn(this.codec.decode(unmarked(text))), text);
      if (made !== text) await replace(this.path, made, this.mode);
    });
  }

  async #write(effects: Effects, next: T, text: string | null, options: WriteOptions): Promise<void> {
    if (!options.allowWriteAfterConst && this.#consts.get(effects)?.some((same) => !same(next))) {
      throw new Error(`Canceled: write after const of ${this.path}`);
    }
    const made = this.#encode(next, text ?? undefined);
    if (made !== text) await replace(this.path, made, this.mode);
  }

  #encode(value: T, before: string | undefined): string {
    return this.#encoded(this.transformers ? this.transformers.onWrite(value) : value, before);
  }

  #encoded(raw: unknown, before: string | undefined): string {
    if (before === undefined) return this.codec.encode(raw);
    const text = unmarked(before);
    return before.slice(0, before.length - text.length) + this.codec.encode(raw, text);
  }

  async #read(): Promise<T | null> {
    const text = await this.#text();
    return text === null || text.trim() === "" ? null : this.validate(this.readData(text));
  }

  #text(): Promise<string | null> {
    return readFile(this.path, "utf8").catch((err: NodeJS.ErrnoException) => {
      if (err.code === "ENOENT" || err.code === "ENOTDIR") return null;
      throw err;
    });
  }

  // Begins to watch before it reads, so that no change is missed between the two; a file that cannot be read is watched, too.
  async #watched<B>(effects: Effects, read: () => Promise<B>, callback?: () => void): Promise<B> {
    if (!callback || !effects.isInContext) return read();
    const end = new AbortController();
    effects.onLeaveContext(() => end.abort());
    const { change } = await nextChange(this.path, end);
    void change.then((real) => real && callback());
    return read();
  }
}

// A byte order mark, which some editors write, is no part of what a file says.
const unmarked = (text: string) => text.replace(/^\uFEFF/, "");

// What changes a file waits for what changes it already: each begins with what the one before wrote. One process has all of a
// package's code.
const turns = new Map<string, Promise<unknown>>();

async function alone<R>(path: string, fn: () => Promise<R>): Promise<R> {
  const at = resolve(path);
  const turn = (turns.get(at) ?? Promise.resolve()).then(fn, fn);
  turns.set(at, turn);
  try {
    return await turn;
  } finally {
    if (turns.get(at) === turn) turns.delete(at);
  }
}

/** Begins to watch a path, and gives the promise of a change at it, or (false) of the end of the watch. */
async function nextChange(path: string, end: AbortController): Promise<{ change: Promise<boolean> }> {
  let folder = dirname(path);
  let name = basename(path);
  // A folder that is not there yet is waited for in the next one above.
  while (!(await stat(folder).catch(() => null))?.isDirectory() && folder !== dirname(folder)) {
    name = basename(folder);
    folder = dirname(folder);
  }
  let changed!: (real: boolean) => void;
  const change = new Promise<boolean>((resolve) => (changed = resolve));
  const watcher = tryWatch(folder);
  watcher?.on("change", (_event, at) => (at === null || at === name) && changed(true));
  watcher?.on("error", () => changed(true));
  if (!watcher) setTimeout(changed, lookAgain, true).unref();
  end.signal.addEventListener("abort", () => changed(false), { once: true });
  if (end.signal.aborted) changed(false);
  // It may have come between the look and the watch.
  else if (folder !== dirname(path) && (await stat(join(folder, name)).catch(() => null))) changed(true);
  void change.then(() => watcher?.close());
  return { change };
}

// Where nothing more can be watched (the kernel counts watches for each user), a file is read now and then.
const lookAgain = 1000;

function tryWatch(folder: string): FSWatcher | undefined {
  try {
    return watchFolder(folder, { persistent: false });
  } catch {
    return undefined;
  }
}

/**
 * Replaces a file: its content is on the disk before its name leads there. Owner and mode stay. A file that is mounted
 * somewhere by itself is written in place, since the mount would go on showing the old one.
 */
async function replace(path: string, text: string, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const before = await stat(path).catch(() => null);
  if (before && (await mounted(path))) return writeFile(path, text);
  const scratch = join(dirname(path), `.${basename(path)}.${process.pid}.${Math.random().toString(36).slice(2, 10)}`);
  try {
    const file = await open(scratch, "wx", before ? before.mode & 0o7777 : mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    if (before) {
      await chown(scratch, before.uid, before.gid);
      await chmod(scratch, before.mode & 0o7777);
    }
    await rename(scratch, path);
  } catch (err) {
    await unlink(scratch).catch(() => {});
    throw err;
  }
}

/** Whether a file is mounted somewhere by itself, as the table of mounts says. */
async function mounted(path: string): Promise<boolean> {
  const table = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  const unescape = (text: string) => text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  const mounts = table.split("\n").filter(Boolean).map((line) => {
    const [, , device, root, at] = line.split(" ");
    return { device: device!, root: unescape(root!), at: unescape(at!) };
  });
  const within = mounts.filter(({ at }) => path === at || path.startsWith(at === "/" ? "/" : `${at}/`)).sort((a, b) => a.at.length - b.at.length).at(-1);
  if (!within) return false;
  const real = join(within.root, path.slice(within.at.length));
  return mounts.some(({ device, root }) => device === within.device && root === real);
}
