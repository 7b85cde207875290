import type { Stats } from "node:fs";
import { lstat, mkdir, readdir, rename, unlink } from "node:fs/promises";
import type { Effects } from "@hearthos/sdk/effects";
import type { SubContainer } from "@hearthos/sdk/subcontainer";
import { isRecord } from "@hearthos/sdk/values";
import { inside } from "./beneath.js";
import { at, copyTree, openFolder, runOn, type SyncOptions } from "./copying.js";
import { maxFile, readText, writeText } from "./files.js";
import { makeRoot } from "./roots.js";
import type { Procedures } from "./procedures.js";

interface InVolume {
  volumeId: unknown;
  path: unknown;
}
interface Command {
  command: string;
  args?: string[];
  timeoutMillis?: number;
}
type Result = { result: string } | { error: string } | { "error-code": [number, string] };

/** How long a command of a script may take where it says nothing. */
const patience = 30_000;

/** The functions that a script gets from its host: files of the volumes, commands in the service's image, and some more. */
export function scriptFunctions(effects: Effects, procedures: Procedures) {
  return { ...fileFunctions(effects, procedures), ...treeFunctions(effects, procedures), ...commandFunctions(effects, procedures), ...logFunctions(), ...otherFunctions(effects) };
}

function fileFunctions(effects: Effects, { places }: Procedures) {
  const readFile = ({ volumeId, path }: InVolume) => readText(effects, places, volumeId, path);
  const writeFile = ({ volumeId, path, toWrite }: InVolume & { toWrite: unknown }) => writeText(effects, places, volumeId, path, String(toWrite));
  const metadata = ({ volumeId, path }: InVolume) => places.in(effects, volumeId, path, "read", async (found) => described(await lstat(found.path)), { follow: true });
  return {
    readFile,
    writeFile,
    metadata,
    readJsonFile: async (where: InVolume) => JSON.parse(await readFile(where)) as unknown,
    writeJsonFile: ({ volumeId, path, toWrite }: InVolume & { toWrite: unknown }) => writeFile({ volumeId, path, toWrite: JSON.stringify(toWrite) }),
    exists: (where: InVolume) => metadata(where).then(() => true, () => false),
    removeFile: ({ volumeId, path }: InVolume) => places.in(effects, volumeId, path, "write", (found) => unlink(found.path)),
    rename: ({ srcVolume, srcPath, dstVolume, dstPath }: { srcVolume: unknown; srcPath: unknown; dstVolume: unknown; dstPath: unknown }) =>
      places.in(effects, srcVolume, srcPath, "write", (from) => places.in(effects, dstVolume, dstPath, "write", (to) => rename(from.path, to.path))),
  };
}

function described(stats: Stats) {
  return {
    fileType: stats.isDirectory() ? "directory" : stats.isFile() ? "file" : stats.isSymbolicLink() ? "symlink" : "other",
    isDir: stats.isDirectory(),
    isFile: stats.isFile(),
    isSymlink: stats.isSymbolicLink(),
    len: stats.size,
    modified: stats.mtime,
    accessed: stats.atime,
    created: stats.birthtime,
    readonly: (stats.mode & 0o222) === 0,
    uid: stats.uid,
    gid: stats.gid,
    mode: stats.mode,
  };
}

function treeFunctions(effects: Effects, { places }: Procedures) {
  /** Runs a program on what is found, which it has as a descriptor. */
  const program = (name: string, args: string[]) => ({ volumeId, path }: InVolume) =>
    places.in(effects, volumeId, path, "write", async ({ folder, name: last }) => void (await runOn([folder], name, [...args, "--", at(3, last)])));
  return {
    createDir: async ({ volumeId, path }: InVolume) => {
      const steps = String(path).split("/").filter((step) => step !== "");
      for (let i = 1; i <= steps.length; i++) await places.in(effects, volumeId, steps.slice(0, i).join("/"), "write", makeFolder, { follow: true });
      return path;
    },
    readDir: ({ volumeId, path }: InVolume) =>
      places.in(effects, volumeId, path, "read", async (found) => {
        const folder = await openFolder(found);
        try {
          return await readdir(inside(folder, "."));
        } finally {
          await folder.close();
        }
      }, { follow: true }),
    removeDir: async (where: InVolume) => {
      await program("rm", ["-rf", "--one-file-system"])(where);
      return where.path;
    },
    chown: async ({ uid, ...where }: InVolume & { uid: unknown }) => {
      if (!/^\d+(:\d+)?$/.test(String(uid))) throw new Error("an owner is a number");
      await program("chown", ["-hR", String(uid)])(where);
      return null;
    },
    chmod: async ({ mode, ...where }: InVolume & { mode: unknown }) => {
      if (!/^[0-7]{3,4}$|^[ugoa]*[-+=][rwxXst]+(,[ugoa]*[-+=][rwxXst]+)*$/.test(String(mode))) throw new Error("a mode is like 644 or u+x");
      await program("chmod", ["-R", String(mode)])(where);
      return null;
    },
    diskUsage: async (where?: InVolume) => {
      const whole = where?.volumeId == null ? { volumeId: "embassy", path: "." } : where;
      return places.in(effects, whole.volumeId, whole.path, "read", async ({ folder, name }) => {
        const disk = lastLine(await runOn([folder], "df", ["--block-size=1", "--output=size,used", at(3, name)]));
        const used = where?.volumeId == null ? disk[1] : lastLine(await runOn([folder], "du", ["-s", "--block-size=1", at(3, name)]))[0];
        return { used: used ?? 0, total: disk[0] ?? 0 };
      });
    },
    runRsync: ({ srcVolume, srcPath, dstVolume, dstPath, options }: { srcVolume: unknown; srcPath: unknown; dstVolume: unknown; dstPath: unknown; options?: Partial<SyncOptions> }) => {
      let part = 0;
      const chosen = { delete: options?.delete === true, force: options?.force === true, ignoreExisting: options?.ignoreExisting === true, exclude: (options?.exclude ?? []).map(String) };
      const copied = places
        .in(effects, srcVolume, srcPath, "read", (from) => places.in(effects, dstVolume, dstPath, "write", (to) => copyTree(from, to, chosen, (now) => (part = now)), { follow: true }), { follow: true })
        .then(() => ((part = 1), null));
      copied.catch(() => {}); // who waits for it hears of it
      return { id: async () => "rsync", wait: () => copied, progress: async () => part };
    },
  };
}

async function makeFolder({ path }: { path: string }): Promise<void> {
  await mkdir(path).catch(async (err: unknown) => {
    if ((err as { code?: unknown }).code !== "EEXIST" || !(await lstat(path)).isDirectory()) throw err;
  });
}

function lastLine(text: string): number[] {
  const line = text.trim().split("\n").at(-1) ?? "";
  return [...line.matchAll(/(?:^|\s)(\d+)(?=\s|$)/g)].map(([, digits]) => Number(digits));
}

function commandFunctions(effects: Effects, procedures: Procedures) {
  return {
    runCommand: async ({ command, args = [], timeoutMillis = patience }: Command): Promise<Result> => {
      const { main, manifest } = procedures;
      if (main) return resultOf(main, [command, ...args], timeoutMillis);
      if (!manifest.container) return { error: "the package has no image for its commands" };
      const root = await makeRoot(effects, manifest, manifest.container, command);
      try {
        return await resultOf(root, [command, ...args], timeoutMillis);
      } finally {
        await root.destroy();
      }
    },
    runDaemon: ({ command, args = [] }: Command) => {
      const begun = beginDaemon(effects, procedures, [command, ...args.map(String)]);
      begun.catch(() => {});
      return { processId: begun.then(() => 1), wait: async () => (await begun).ended, term: async () => (await begun).end() };
    },
    signalGroup: async () => null,
  };
}

async function resultOf(root: SubContainer, command: string[], timeoutMs: number): Promise<Result> {
  const { exitCode, exitSignal, stdout, stderr } = await root.exec(command.map(String), {}, timeoutMs);
  if (exitCode === 0) return { result: String(stdout) };
  return { "error-code": [exitCode ?? 143, String(stderr) || (exitSignal ? "it took too long" : String(stdout))] };
}

/** A command of the script that runs on until it ends or is ended, in the root of main or in one of its own. */
async function beginDaemon(effects: Effects, procedures: Procedures, command: string[]): Promise<{ ended: Promise<Result>; end(): Promise<void> }> {
  const { manifest, main } = procedures;
  if (!main && !manifest.container) throw new Error("the package has no image for its commands");
  const root = main ?? (await makeRoot(effects, manifest, manifest.container!, command[0] ?? ""));
  const child = await root.spawn(command);
  const ended = new Promise<Result>((resolve) => {
    child.once("error", (err) => resolve({ error: err.message }));
    child.once("exit", (code, signal) => resolve(code === 0 || code === 143 || signal === "SIGTERM" ? { result: "" } : { "error-code": [code ?? 143, ""] }));
  });
  const gone = ended.then(async (result) => {
    if (!main) await root.destroy();
    return result;
  });
  const end = async () => {
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), manifest.container?.sigtermTimeout ?? patience);
    await gone.finally(() => clearTimeout(late));
  };
  effects.onLeaveContext(() => void end());
  return { ended: gone, end };
}

function logFunctions() {
  const line = (level: string) => async (what: unknown) => {
    process.stderr.write(`${level}: ${typeof what === "string" ? what : JSON.stringify(what)}\n`);
    return null;
  };
  return { trace: line("trace"), debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}

function otherFunctions(effects: Effects) {
  const bind = async ({ internalPort, externalPort, name }: { internalPort: number; externalPort: number; name: string }) => {
    await effects.bind({ id: name, internalPort, preferredExternalPort: externalPort, addSsl: null, secure: { ssl: false } });
    const host = await effects.getHostInfo({ hostId: name });
    return host?.bindings[internalPort]?.addresses.available[0]?.hostname ?? "";
  };
  return {
    sleep: (milliseconds: number) => new Promise<null>((resolve) => setTimeout(() => resolve(null), milliseconds)),
    isSandboxed: () => false,
    is_sandboxed: () => false,
    bindLocal: bind,
    bindTor: bind,
    fetch: async (url: string, options: unknown = null) => {
      const { method = "GET", headers = {}, body } = isRecord(options) ? (options as { method?: string; headers?: Record<string, string>; body?: string }) : {};
      const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
      const text = await bounded(answer);
      return { method, ok: answer.ok, status: answer.status, headers: Object.fromEntries(answer.headers), body: text, text: async () => text, json: async () => JSON.parse(text) as unknown };
    },
  };
}

/** The text of an answer, no more than a script may hold. */
async function bounded(answer: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer.body ?? []) {
    bytes += part.length;
    if (bytes > maxFile) throw new Error(`the answer has more than ${maxFile} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}
