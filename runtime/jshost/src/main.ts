/**
 * The JavaScript host: loads the code of one package inside its service container and runs it for the agent
 * (hearth.jshost.v1), with the effects of StartOS packages answered by the daemon (hearth.effects.v1). It decides
 * nothing itself and keeps nothing: when it ends, the container is made anew.
 */
import "./tuning.js";
import { closeSync, rmSync } from "node:fs";
import { environment } from "./environment.js";
import { isLate } from "./effects.js";
import { watchWholeFiles } from "./files.js";
import { Host } from "./host.js";
import { log, traceConsole } from "./log.js";
import { serve } from "./server.js";
import { Service } from "./service.js";

// A promise that package code forgot must not end the service; an exception in a state that nobody knows must.
process.on("unhandledRejection", (err) => {
  // Nobody needs to know of a report of a main that has ended.
  if (!isLate(err)) log("a promise of the package failed and nobody waited for it", err);
});
process.on("uncaughtException", (err) => {
  log("the package threw an exception that nobody catches", err);
  process.exit(1);
});

// Whoever is told that the own socket answers connects to it first: while code is loaded, nobody is answered.
const loadAfter = 5;

watchWholeFiles();
traceConsole();
const env = environment(process.env);
const service = new Service(new Host(env.effectsSocket), env.packageDir);
await serve(env.ownSocket, service, () => process.exit(0));
if (env.readyFd !== undefined) closeSync(env.readyFd);
setTimeout(() => service.load(), loadAfter);
delete process.env["HEARTH_READY_FD"]; // what the package starts has no such descriptor
process.on("exit", () => rmSync(env.ownSocket, { force: true }));

// The agent stops the service by a call first; here only what a foreign SIGTERM would leave running is ended.
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    service
      .stop()
      .catch((err: unknown) => log("cannot stop before the end", err))
      .finally(() => process.exit(0));
  });
}
