import { Daemon } from "@hearthos/sdk/daemons/daemon";
import type { Effects } from "@hearthos/sdk/effects";
import type { SubContainer } from "@hearthos/sdk/subcontainer";
import { delay } from "@hearthos/sdk/values";
import { log } from "../log.js";
import { scriptFunctions } from "./functions.js";
import { watchHealth } from "./health.js";
import type { DockerProcedure, ScriptProcedure } from "./manifest.js";
import type { Procedures } from "./procedures.js";
import { makeRoot } from "./roots.js";
import { valueOf } from "./script.js";

const longestPause = 30_000;

/** Begins main and its health checks, and answers how to end them. */
export async function beginMain(effects: Effects, procedures: Procedures): Promise<{ term(): Promise<void> }> {
  const { main } = procedures.manifest;
  const running = main.type === "docker" ? await beginCommand(effects, procedures, main) : await beginScript(effects, procedures, main);
  const end = new AbortController();
  effects.onLeaveContext(() => end.abort());
  const checks = watchHealth(effects, procedures, end.signal).catch((err: unknown) => log("the health checks ended", err));
  let ended: Promise<void> | undefined;
  return {
    term: () =>
      (ended ??= (async () => {
        end.abort();
        try {
          await running.end();
        } finally {
          procedures.main = null;
          await checks;
          await running.root?.destroy();
        }
      })()),
  };
}

interface Begun {
  root: SubContainer | null;
  end(): Promise<void>;
}

/** The command of main is the first process of its root, as it was in a container, and is begun again when it ends. */
async function beginCommand(effects: Effects, procedures: Procedures, main: DockerProcedure): Promise<Begun> {
  const root = await makeRoot(effects, procedures.manifest, main, "main");
  root.detach(); // who ends main removes it, and waits for that
  procedures.main = root;
  const command: [string, ...string[]] = [main.entrypoint, ...main.args];
  const daemon = new Daemon<SubContainer>(root, { command, runAsInit: true, env: { TINI_SUBREAPER: "true" }, sigtermTimeout: main.sigtermTimeout });
  await daemon.start();
  return { root, end: () => daemon.term() };
}

/** A main of the script runs its commands itself, in a root of its own or in that of its container; it is called again when it ends. */
async function beginScript(effects: Effects, procedures: Procedures, main: ScriptProcedure): Promise<Begun> {
  const { manifest, script } = procedures;
  const root = manifest.container ? await makeRoot(effects, manifest, manifest.container, "main") : null;
  root?.detach();
  procedures.main = root;
  const ended = new AbortController();
  effects.onLeaveContext(() => ended.abort());
  const daemons: { term(): Promise<unknown> }[] = [];
  const functions = scriptFunctions(effects, procedures);
  const runDaemon = (options: Parameters<typeof functions.runDaemon>[0]) => {
    const daemon = functions.runDaemon(options);
    daemons.push(daemon);
    return daemon;
  };
  const loop = (async () => {
    for (let pause = 1000; !ended.signal.aborted; pause = Math.min(pause + 1000, longestPause)) {
      await script.call(["main"], [{ ...functions, runDaemon }, undefined, ...main.args]).then(valueOf).catch((err: unknown) => ended.signal.aborted || log("main of the package's script ended", err));
      await delay(pause, ended.signal);
    }
  })();
  return {
    root,
    end: async () => {
      ended.abort();
      await Promise.all(daemons.map((daemon) => daemon.term().catch((err: unknown) => log("a command of main cannot be ended", err))));
      // A main that heeds nothing is left to itself: its root goes.
      await Promise.race([loop, delay(manifest.container?.sigtermTimeout ?? longestPause)]);
    },
  };
}
