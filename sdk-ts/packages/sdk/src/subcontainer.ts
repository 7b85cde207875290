import { spawn, type ChildProcess, type ChildProcessWithoutNullStreams, type IOType } from "node:child_process";
import { copyFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Effects } from "./effects.js";
import type { Mounts } from "./mounts.js";
import { place } from "./places.js";
import { bindAll, run, type ExecResult } from "./commands.js";
import { delay, once } from "./values.js";

export interface CommandOptions {
  env?: { [variable in string]?: string };
  cwd?: string;
  user?: string;
}
export interface ExecOptions {
  /** What the command reads. */
  input?: string | Buffer;
}
export interface StdioOptions {
  stdio?: IOType;
}
export interface ImageChoice<Image extends string = string> {
  imageId: Image;
  /** Shares /run of the container. */
  sharedRun?: boolean;
}
type Written = Parameters<typeof writeFile>[1];

/**
 * A command that ended with anything but success.
 * @example
 * await assert.rejects(database.execFail(["false"]), ExitError);
 */
export class ExitError extends Error {
  override readonly name = "ExitError";
  constructor(
    readonly command: string,
    readonly result: ExecResult,
  ) {
    const how = result.exitCode === null ? `by ${result.exitSignal}` : `with ${result.exitCode}`;
    super(`${command} ended ${how}: ${String(result.stderr).trim().slice(-2000)}`);
  }
}

/** What an image says about how its commands run. */
export interface ImageDefaults {
  workdir?: string | null;
  user?: string | null;
  entrypoint?: string[] | null;
  cmd?: string[] | null;
  /** By which signal its command is told to end, where that is not SIGTERM. */
  stopSignal?: string | null;
}

/** Reads what an image says about how its commands run; an image that says nothing has no defaults. */
export async function imageDefaults(imageId: string): Promise<ImageDefaults> {
  const text = await readFile(imageFile(imageId, ".json"), "utf8").catch(() => "{}");
  return JSON.parse(text) as ImageDefaults;
}

// A dot in the name of an image ends it, as in the names of files.
function imageFile(imageId: string, extension: string): string {
  return join(place("images"), imageId.replace(/\.[^./]*$/, "") + extension);
}

/** What can be done with the root of an image, whether it is made already or at its first use. */
export interface SubContainer<Image extends string = string> {
  readonly imageId: Image;
  /** The same for the root that was asked for and the one that was made of it. */
  readonly identity: symbol;
  readonly rootfs: string | Promise<string>;
  readonly guid: string | Promise<string>;
  subpath(path: string): string | Promise<string>;
  mount(mounts: Mounts<any, any>): Promise<this>;
  /** Keeps it from being destroyed until the function given is called. */
  hold(): () => Promise<void>;
  /** Ends all that runs in it and removes it, once nobody holds it. */
  destroy(): Promise<void>;
  /** Lets it outlive the context it was made in. */
  detach(): void;
  exec(command: string[], options?: CommandOptions & ExecOptions, timeoutMs?: number | null, abort?: AbortController): Promise<ExecResult & { throw: () => { stdout: string | Buffer; stderr: string | Buffer } }>;
  execFail(command: string[], options?: CommandOptions & ExecOptions, timeoutMs?: number | null, abort?: AbortController): Promise<{ stdout: string | Buffer; stderr: string | Buffer }>;
  launch(command: string[], options?: CommandOptions): Promise<ChildProcessWithoutNullStreams>;
  spawn(command: string[], options?: CommandOptions & StdioOptions): Promise<ChildProcess>;
  writeFile(path: string, data: Written, options?: Parameters<typeof writeFile>[2]): Promise<void>;
}

/**
 * The root of an image with a layer to write on, and processes of its own in it. What is written goes with it.
 * @example
 * const made = await MadeSubContainer.make(effects, { imageId: "db" }, null, "once");
 * await made.writeFile("/etc/motd", "Hello");
 * await made.destroy();
 */
export class MadeSubContainer<Image extends string = string> implements SubContainer<Image> {
  #leader: ChildProcess | undefined;
  #holds = 0;
  #wanted = false;
  #detached = false;
  readonly #removed = once(() => this.#remove());
  #whenFree: (() => void)[] = [];

  private constructor(
    readonly effects: Effects,
    readonly imageId: Image,
    readonly rootfs: string,
    readonly guid: string,
    readonly identity: symbol,
  ) {}

  static async make<Image extends string>(effects: Effects, image: ImageChoice<Image>, mounts: Mounts<any, any> | null, name: string, identity: symbol = Symbol(name)): Promise<MadeSubContainer<Image>> {
    const [rootfs, guid] = await effects.subcontainer.createFs({ imageId: image.imageId, name });
    const made = new MadeSubContainer<Image>(effects, image.imageId, rootfs, guid, identity);
    // A hook of a context is not waited for; what ends the service destroys what it uses, and waits.
    effects.onLeaveContext(() => void (made.#detached || made.destroy().catch((err: unknown) => console.error(`the subcontainer ${name} could not be removed:`, err))));
    try {
      await made.#lead();
      await bindAll(rootfs, image.sharedRun ? ["/dev", "/sys", "/run"] : ["/dev", "/sys"]);
      await mkdir(join(rootfs, "etc"), { recursive: true });
      await copyFile("/etc/resolv.conf", join(rootfs, "etc/resolv.conf")).catch(() => {});
      if (mounts) await made.mount(mounts);
      return made;
    } catch (err) {
      await made.destroy().catch(() => {});
      throw err;
    }
  }

  /** Makes it for one function, and removes it behind that. */
  static async with<Image extends string, T>(effects: Effects, image: ImageChoice<Image>, mounts: Mounts<any, any> | null, name: string, fn: (made: MadeSubContainer<Image>) => Promise<T>): Promise<T> {
    const made = await MadeSubContainer.make(effects, image, mounts, name);
    try {
      return await fn(made);
    } finally {
      await made.destroy();
    }
  }

  // The first process, which does nothing but be the first: commands join its namespaces.
  async #lead(): Promise<void> {
    const leader = spawn("start-container", ["subcontainer", "launch", this.rootfs], { stdio: "inherit" });
    this.#leader = leader;
    const failed = new Promise<never>((_, reject) => {
      leader.once("error", reject);
      leader.once("exit", (code, signal) => reject(new Error(`the subcontainer ended with ${code ?? signal} before it was there`)));
    });
    failed.catch(() => {});
    await Promise.race([this.#inProc(), failed]);
  }

  async #inProc(): Promise<void> {
    const end = Date.now() + 30_000;
    for (let wait = 1; !(await stat(join(this.rootfs, "proc/1")).catch(() => null)); wait = Math.min(wait * 1.5, 50)) {
      if (Date.now() > end) throw new Error("the subcontainer did not begin within 30 seconds");
      await delay(wait);
    }
  }

  subpath(path: string): string {
    return join(this.rootfs, path);
  }

  async mount(mounts: Mounts<any, any>): Promise<this> {
    await mounts.mountIn(this.effects, this.rootfs);
    return this;
  }

  hold(): () => Promise<void> {
    this.#holds++;
    const release = once(async () => {
      this.#holds--;
      if (this.#holds > 0) return;
      for (const free of this.#whenFree.splice(0)) free();
      if (this.#wanted) await this.#removed();
    });
    return () => release();
  }

  async destroy(): Promise<void> {
    this.#wanted = true;
    if (this.#holds > 0) await new Promise<void>((resolve) => this.#whenFree.push(resolve));
    await this.#removed();
  }

  detach(): void {
    this.#detached = true;
  }

  async #remove(): Promise<void> {
    const leader = this.#leader;
    if (leader && leader.exitCode === null && leader.signalCode === null && leader.pid !== undefined) {
      const ended = new Promise((resolve) => leader.once("exit", resolve));
      leader.kill("SIGTERM");
      const late = setTimeout(() => leader.kill("SIGKILL"), 30_000);
      await ended;
      clearTimeout(late);
    }
    await this.effects.subcontainer.destroyFs({ guid: this.guid });
  }

  async #arguments(verb: "exec" | "launch", command: string[], options: CommandOptions = {}): Promise<string[]> {
    const defaults = await imageDefaults(this.imageId);
    const args = ["subcontainer", verb];
    const env = imageFile(this.imageId, ".env");
    if (await stat(env).catch(() => null)) args.push("--env-file", env);
    const user = options.user ?? defaults.user;
    if (user) args.push("--user", user);
    const workdir = options.cwd ?? defaults.workdir;
    if (workdir) args.push("--workdir", workdir);
    for (const [name, value] of Object.entries(options.env ?? {})) if (value !== undefined) args.push("--env", `${name}=${value}`);
    return [...args, this.rootfs, ...command];
  }

  async exec(command: string[], options: CommandOptions & ExecOptions = {}, timeoutMs: number | null = 30_000, abort?: AbortController) {
    const release = this.hold();
    try {
      const args = await this.#arguments("exec", command, options);
      const result = await run("start-container", args, { input: options.input, timeoutMs, abort: abort?.signal });
      const { stdout, stderr } = result;
      return {
        ...result,
        throw: () => {
          if (result.exitCode !== 0) throw new ExitError(command[0] ?? "", result);
          return { stdout, stderr };
        },
      };
    } finally {
      await release();
    }
  }

  async execFail(command: string[], options?: CommandOptions & ExecOptions, timeoutMs: number | null = 30_000, abort?: AbortController) {
    return (await this.exec(command, options, timeoutMs, abort)).throw();
  }

  /** Begins a command. What it prints goes to the log of the service, if not told otherwise. */
  async spawn(command: string[], options: CommandOptions & StdioOptions = {}): Promise<ChildProcess> {
    return spawn("start-container", await this.#arguments("exec", command, options), { stdio: options.stdio ?? "inherit" });
  }

  /** Begins a command as the first process of the subcontainer, in place of the one that does nothing. */
  async launch(command: string[], options: CommandOptions = {}): Promise<ChildProcessWithoutNullStreams> {
    const child = spawn("start-container", await this.#arguments("launch", command, options), { stdio: "pipe" });
    this.#leader = child;
    return child;
  }

  async writeFile(path: string, data: Written, options?: Parameters<typeof writeFile>[2]): Promise<void> {
    const file = this.subpath(path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, data, options);
  }
}

/**
 * A subcontainer that is made at its first use.
 * @example
 * const tools = new LazySubContainer(effects, { imageId: "db" }, null, "tools");
 * const { exitCode } = await tools.exec(["true"]); // here it is made
 * assert.equal(exitCode, 0);
 * await tools.destroy();
 */
export class LazySubContainer<Image extends string = string> implements SubContainer<Image> {
  readonly identity: symbol;
  #detached = false;
  #made: Promise<MadeSubContainer<Image>> | undefined;

  constructor(
    readonly effects: Effects,
    readonly image: ImageChoice<Image>,
    readonly mounts: Mounts<any, any> | null,
    readonly name: string,
  ) {
    this.identity = Symbol(name);
  }

  get imageId(): Image {
    return this.image.imageId;
  }
  get sharedRun(): boolean {
    return this.image.sharedRun ?? false;
  }

  /** Makes it, once. A making that failed is tried again at the next use. */
  eager(): Promise<MadeSubContainer<Image>> {
    this.#made ??= MadeSubContainer.make(this.effects, this.image, this.mounts, this.name, this.identity).then(
      (made) => {
        if (this.#detached) made.detach();
        return made;
      },
      (err: unknown) => {
        this.#made = undefined;
        throw err;
      },
    );
    return this.#made;
  }

  get rootfs(): Promise<string> {
    return this.eager().then(({ rootfs }) => rootfs);
  }
  get guid(): Promise<string> {
    return this.eager().then(({ guid }) => guid);
  }
  async subpath(path: string): Promise<string> {
    return (await this.eager()).subpath(path);
  }
  async mount(mounts: Mounts<any, any>): Promise<this> {
    await (await this.eager()).mount(mounts);
    return this;
  }
  hold(): () => Promise<void> {
    const held = this.eager().then((made) => made.hold());
    held.catch(() => {});
    return once(async () => (await held.catch(() => undefined))?.());
  }
  async destroy(): Promise<void> {
    const made = await this.#made?.catch(() => undefined);
    this.#made = undefined;
    await made?.destroy();
  }
  detach(): void {
    this.#detached = true;
    void this.#made?.then((made) => made.detach()).catch(() => {});
  }
  async exec(command: string[], options?: CommandOptions & ExecOptions, timeoutMs?: number | null, abort?: AbortController) {
    return (await this.eager()).exec(command, options, timeoutMs, abort);
  }
  async execFail(command: string[], options?: CommandOptions & ExecOptions, timeoutMs?: number | null, abort?: AbortController) {
    return (await this.eager()).execFail(command, options, timeoutMs, abort);
  }
  async spawn(command: string[], options?: CommandOptions & StdioOptions) {
    return (await this.eager()).spawn(command, options);
  }
  async launch(command: string[], options?: CommandOptions) {
    return (await this.eager()).launch(command, options);
  }
  async writeFile(path: string, data: Written, options?: Parameters<typeof writeFile>[2]): Promise<void> {
    await (await this.eager()).writeFile(path, data, options);
  }
}
