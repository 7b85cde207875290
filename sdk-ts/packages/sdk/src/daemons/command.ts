import type { ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { imageDefaults, type SubContainer } from "../subcontainer.js";
import { asError, delay } from "../values.js";

/**
 * The entrypoint of the image, with its own arguments or with others.
 * @example
 * const exec = { command: new UseEntrypoint(["--verbose"]) };
 */
export class UseEntrypoint {
  readonly USE_ENTRYPOINT = "USE_ENTRYPOINT" as const;
  constructor(readonly overridCmd?: string[]) {}
}
/** A line for the shell, the words of a command, or the entrypoint of the image. */
export type CommandType = string | [string, ...string[]] | readonly [string, ...string[]] | UseEntrypoint;

const stopSignals = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;
/** By what a command is told to end. */
export type StopSignal = (typeof stopSignals)[number];

export interface CommandOptions {
  command: CommandType;
  /** By which signal the command is told to end; without one it is the image's own, which mostly is SIGTERM. */
  stopSignal?: StopSignal | undefined;
  /** How long the command may take to end when it is told to, in milliseconds. */
  sigtermTimeout?: number;
  /** Runs it as the first process of its subcontainer, as programs that supervise others want it. */
  runAsInit?: boolean;
  env?: { [variable in string]?: string } | undefined;
  cwd?: string | undefined;
  user?: string | undefined;
  /** What else it is made of. It is another command when this changes. */
  from?: unknown;
  /** Gets what the command prints, in place of the log. */
  onStdout?: (chunk: Buffer | string | any) => void;
  onStderr?: (chunk: Buffer | string | any) => void;
}
/** A function in place of a command: it may give the command, or null when it has done all itself. */
export interface FunctionOptions<C extends SubContainer<any> | null> {
  fn: (subcontainer: C, abort: AbortSignal) => Promise<C extends null ? null : CommandOptions | null>;
  sigtermTimeout?: number;
}
export type Exec<C extends SubContainer<any> | null> = FunctionOptions<C> | (C extends null ? never : CommandOptions);

export const defaultSigtermTimeout = 60_000;

async function words(subcontainer: SubContainer<any>, command: CommandType): Promise<string[]> {
  if (typeof command === "string") return ["sh", "-c", command];
  if (!("USE_ENTRYPOINT" in command)) return [...command];
  const { entrypoint, cmd } = await imageDefaults(subcontainer.imageId);
  const all = [...(entrypoint ?? []), ...(command.overridCmd ?? cmd ?? [])];
  if (all.length === 0) throw new Error(`the image ${subcontainer.imageId} names no command`);
  return all;
}

// What an image asks for that is none of those reaches no command in a subcontainer.
async function stopSignalOf(subcontainer: SubContainer<any>, options: CommandOptions): Promise<StopSignal> {
  if (options.stopSignal) return options.stopSignal;
  const { stopSignal } = await imageDefaults(subcontainer.imageId);
  return stopSignals.find((known) => known === stopSignal) ?? "SIGTERM";
}

/**
 * Runs a command, or a function, to its end: true for success, which is also to end by the SIGTERM that was asked for. The
 * signal ends it by its own signal, and by SIGKILL after its time, which is said in the log.
 */
export async function runToEnd(subcontainer: SubContainer<any> | null, exec: Exec<any>, abort: AbortSignal): Promise<boolean> {
  const timeout = (options: { sigtermTimeout?: number }) => options.sigtermTimeout ?? exec.sigtermTimeout ?? defaultSigtermTimeout;
  let options: CommandOptions | null;
  if ("fn" in exec) {
    // A function that does not heed the signal is not waited for longer than a command would be.
    const done = Promise.resolve(exec.fn(subcontainer, abort));
    const late = new Promise<null>((resolve) => abort.addEventListener("abort", () => void delay(timeout(exec)).then(() => resolve(null)), { once: true }));
    options = await Promise.race([done, late]);
  } else options = exec as CommandOptions;
  if (options === null || abort.aborted) return true;
  if (!subcontainer) throw new Error("a command needs a subcontainer to run in");
  const stopSignal = await stopSignalOf(subcontainer, options);
  const child = await begin(subcontainer, options);
  return ended(child, abort, { name: subcontainer.identity.description ?? subcontainer.imageId, stopSignal, timeoutMs: timeout(options) });
}

async function begin(subcontainer: SubContainer<any>, options: CommandOptions): Promise<ChildProcess> {
  const { env, cwd, user, onStdout, onStderr } = options;
  const argv = await words(subcontainer, options.command);
  const where = { ...(env ? { env } : {}), ...(cwd === undefined ? {} : { cwd }), ...(user === undefined ? {} : { user }) };
  const piped = options.runAsInit || onStdout !== undefined || onStderr !== undefined;
  const child = options.runAsInit ? await subcontainer.launch(argv, where) : await subcontainer.spawn(argv, { ...where, stdio: piped ? "pipe" : "inherit" });
  child.stdin?.end();
  child.stdout?.on("data", onStdout ?? ((chunk: Buffer) => process.stdout.write(chunk)));
  child.stderr?.on("data", onStderr ?? ((chunk: Buffer) => process.stderr.write(chunk)));
  return child;
}

function ended(child: ChildProcess, abort: AbortSignal, end: { name: string; stopSignal: StopSignal; timeoutMs: number }): Promise<boolean> {
  return new Promise((resolve) => {
    let late: NodeJS.Timeout | undefined;
    const stop = () => {
      child.kill(end.stopSignal);
      late = setTimeout(() => {
        console.error(`${end.name} did not end within ${end.timeoutMs / 1000} s of ${end.stopSignal} and is killed`);
        child.kill("SIGKILL");
      }, end.timeoutMs);
    };
    const done = (success: boolean) => {
      clearTimeout(late);
      abort.removeEventListener("abort", stop);
      resolve(success);
    };
    child.once("error", (err) => {
      console.error(`a command could not be run: ${asError(err).message}`);
      done(false);
    });
    const asAsked = (code: number | null, signal: NodeJS.Signals | null) => abort.aborted && (signal === end.stopSignal || code === 128 + constants.signals[end.stopSignal]);
    child.once("exit", (code, signal) => done(code === 0 || code === 143 || signal === "SIGTERM" || asAsked(code, signal)));
    if (abort.aborted) stop();
    else abort.addEventListener("abort", stop, { once: true });
  });
}
