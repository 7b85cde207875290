import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

/** How much of what a command prints is kept: its end. */
const keptBytes = 32 << 20;

/** What became of a command. */
export interface ExecResult {
  exitCode: number | null;
  exitSignal: NodeJS.Signals | null;
  stdout: string | Buffer;
  stderr: string | Buffer;
}

export interface RunOptions {
  input?: string | Buffer | undefined;
  timeoutMs?: number | null;
  abort?: AbortSignal | undefined;
  /** Called with what is printed, as it comes. */
  onStdout?: ((chunk: Buffer) => void) | undefined;
}

/** Runs a program to its end and gives what it printed. After the time, or by the signal, it is ended. */
export async function run(program: string, args: string[], options: RunOptions = {}): Promise<ExecResult> {
  const child = spawn(program, args, { stdio: "pipe" });
  const printed: Record<"stdout" | "stderr", { chunks: Buffer[]; bytes: number }> = { stdout: { chunks: [], bytes: 0 }, stderr: { chunks: [], bytes: 0 } };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].on("data", (chunk: Buffer) => {
      if (name === "stdout") options.onStdout?.(chunk);
      const kept = printed[name];
      kept.chunks.push(chunk);
      kept.bytes += chunk.length;
      while (kept.bytes - kept.chunks[0]!.length > keptBytes) kept.bytes -= kept.chunks.shift()!.length;
    });
  }
  // A program that reads nothing of its input and ends is no failure.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input);
  const stop = () => void child.kill("SIGKILL");
  options.abort?.addEventListener("abort", stop, { once: true });
  const timer = options.timeoutMs == null ? undefined : setTimeout(stop, options.timeoutMs);
  if (options.abort?.aborted) stop();
  try {
    const [exitCode, exitSignal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve([code, signal]));
    });
    return { exitCode, exitSignal, stdout: Buffer.concat(printed.stdout.chunks).toString(), stderr: Buffer.concat(printed.stderr.chunks).toString() };
  } finally {
    clearTimeout(timer);
    options.abort?.removeEventListener("abort", stop);
  }
}

/** Runs a program that has to succeed. */
export async function succeed(program: string, args: string[], options: RunOptions = {}): Promise<string> {
  const result = await run(program, args, options);
  if (result.exitCode !== 0) throw new Error(`${program} ended with ${result.exitCode ?? result.exitSignal}: ${String(result.stderr).trim().slice(-2000)}`);
  return String(result.stdout);
}

/** Binds folders of the container, with what is mounted beneath, into a root. */
export async function bindAll(rootfs: string, folders: string[]): Promise<void> {
  for (const folder of folders) {
    await mkdir(join(rootfs, folder), { recursive: true });
    await succeed("mount", ["--rbind", folder, join(rootfs, folder)]);
  }
}
