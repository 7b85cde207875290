import { readFile } from "node:fs/promises";
import type { Effects } from "../effects.js";
import { socketTable } from "../places.js";
import type { CommandOptions, SubContainer } from "../subcontainer.js";
import { asError } from "../values.js";
import type { HealthStatus } from "../wire.js";

/** What a check found. A failure that says nothing is shown without a reason. */
export interface HealthCheckResult {
  result: HealthStatus;
  message: string | null;
}

interface Messages {
  successMessage?: string;
  errorMessage?: string;
  timeout?: number;
}

/** Whether a table of sockets of the kernel has one at a port: for TCP one that listens. */
export function listens(table: string, port: number, protocol: "tcp" | "udp"): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return table.split("\n").some((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    return local?.split(":")[1] === hex && (protocol === "udp" || state === "0A");
  });
}

/**
 * Healthy when something in the service's network listens at the port.
 * @example
 * const found = await health.checkPortListening(effects, 8080, { successMessage: "The page is ready", errorMessage: "The page is not ready" });
 * assert.deepEqual(found, { result: "failure", message: "The page is not ready" });
 */
export async function checkPortListening(_effects: Effects, port: number, options: { errorMessage: string; successMessage: string; timeoutMessage?: string; timeout?: number }): Promise<HealthCheckResult> {
  for (const protocol of ["tcp", "udp"] as const) {
    for (const version of ["", "6"]) {
      const table = await readFile(socketTable(`${protocol}${version}`), "utf8").catch(() => "");
      if (listens(table, port, protocol)) return { result: "success", message: options.successMessage };
    }
  }
  return { result: "failure", message: options.errorMessage };
}

/**
 * Healthy when something answers at a URL, whatever it says.
 * @example
 * const found = await health.checkWebUrl(effects, "http://127.0.0.1:1/health", { errorMessage: "No answer" });
 * assert.deepEqual(found, { result: "failure", message: "No answer" });
 */
export async function checkWebUrl(
  _effects: Effects,
  url: string,
  { timeout = 1000, successMessage = `Reached ${url}`, errorMessage = `Error while reaching ${url}` }: Messages = {},
): Promise<HealthCheckResult> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeout) });
    await response.body?.cancel();
    return { result: "success", message: successMessage };
  } catch (err) {
    console.warn(`${errorMessage}: ${asError(err).message}`);
    return { result: "failure", message: errorMessage };
  }
}

/**
 * Healthy when a command in a subcontainer succeeds.
 * @example
 * const found = await health.runHealthScript(["true"], database, { message: () => "The database answers" });
 * assert.deepEqual(found, { result: "success", message: "The database answers" });
 */
export async function runHealthScript(
  command: string[],
  subcontainer: SubContainer<any>,
  {
    timeout = 30_000,
    errorMessage = `Error while running ${command.join(" ")}`,
    message = (said: string) => said,
    where = {},
  }: { timeout?: number; errorMessage?: string; message?: (said: string) => string; /** Environment, folder and account of the command. */ where?: CommandOptions } = {},
): Promise<HealthCheckResult> {
  const { exitCode, stdout } = await subcontainer.exec(command, where, timeout);
  return exitCode === 0 ? { result: "success", message: message(String(stdout)) } : { result: "failure", message: errorMessage };
}
