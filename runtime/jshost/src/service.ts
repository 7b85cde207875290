import { Context } from "./context.js";
import type { AwaitRequest } from "@hearthos/abi/hearth/effects/v1/effects_pb";
import { createEffects, isLate, waits, type Effects } from "./effects.js";
import { describe, Fault, issuesOf, Reason } from "./fault.js";
import type { Host } from "./host.js";
import { log } from "./log.js";
import { loadPackage, type Package, type Running } from "./package.js";
import { Quiet, type QuietHooks } from "./quiet.js";
import { guard, settle } from "./tuning.js";
import { parseTarget, type Target } from "./target.js";

/**
 * The life of one package: the six calls of a StartOS package in the order they come.
 *
 *     loaded --init--> stopped <--start/stop--> running --exit--> gone
 *
 * A call of a kind that is under way joins it. Calls end when the package's code ends, whoever still waits. The
 * contexts are: one for all from an init on, in it "init", "main" from start to stop, and one for each procedure,
 * which the next call of this procedure replaces.
 */
export class Service {
  readonly #host: Host;
  readonly #dir: string;
  readonly #quiet = new Quiet();
  #root: Context | undefined;
  #loading: Promise<Package> | undefined;
  #package: Package | undefined;
  #running: Running | undefined;
  #init: Promise<void> | undefined;
  #start: Promise<void> | undefined;
  #stop: Promise<void> | undefined;
  #exit: Promise<void> | undefined;

  constructor(host: Host, dir: string) {
    this.#host = host;
    this.#dir = dir;
  }

  /**
   * Loads the package before anybody asks for it, for an init that comes. A failure is that init's, which does not load again;
   * the next one does.
   */
  load(): void {
    if (this.#loading) return;
    guard();
    this.#loading = loadPackage(this.#dir);
    this.#loading.catch(() => {});
  }

  /** Loads the package and runs its init; does nothing after a success, and may be tried again after a failure. */
  init(eventId: string, kind: string): Promise<void> {
    return (this.#init ??= this.#runInit(eventId, kind).catch((err: unknown) => {
      this.#init = undefined;
      throw err;
    }));
  }

  async #runInit(eventId: string, kind: string): Promise<void> {
    this.#root?.leave();
    const root = (this.#root = new Context());
    await codeOf("init", async () => {
      this.load();
      const pkg = await this.#loading!.finally(() => (this.#loading = undefined));
      await pkg.init({ effects: createEffects(this.#host, root.child("init"), eventId), kind: kind || null });
      this.#package = pkg;
      settle();
    });
  }

  /** Runs main; does nothing while it runs. */
  async start(): Promise<void> {
    if (this.#exit) throw new Fault(Reason.SERVICE_NOT_READY, "the package is being ended");
    await this.#stop?.catch(() => {});
    const { pkg, root } = this.#ready();
    if (this.#running) return;
    return (this.#start ??= this.#runStart(pkg, root).finally(() => (this.#start = undefined)));
  }

  async #runStart(pkg: Package, root: Context): Promise<void> {
    this.#host.activity.mainBegins();
    const context = root.child("main");
    const effects = createEffects(this.#host, context, null, context);
    effects.constRetry = restartOnce(effects);
    const terms: (() => unknown)[] = [];
    await codeOf("main", async () => {
      try {
        const main = await pkg.main({ effects, started: legacyStarted(effects, terms) });
        const built = await main.build();
        this.#running = typeof built?.term === "function" ? built : { term: async () => void (await terms.at(-1)?.()) };
      } catch (err) {
        if (isLate(err)) throw new Fault(Reason.SERVICE_NOT_READY, "main was ended while it started");
        context.leave();
        throw err;
      }
    });
  }

  /** Leaves the context of main and ends its daemons; also of a start that is under way. Does nothing while none run. */
  stop(): Promise<void> {
    return (this.#stop ??= this.#runStop().finally(() => (this.#stop = undefined)));
  }

  async #runStop(): Promise<void> {
    // Daemons may not be able to end on frozen data.
    await this.#quiet.end("main is ended");
    this.#root?.leaveChild("main");
    await this.#start?.catch(() => {});
    const running = this.#running;
    this.#running = undefined;
    if (running) await codeOf("the end of main", () => running.term());
  }

  /** Stops and runs uninit. After a success the process is to end; after a failure it can be tried again. */
  exit(eventId: string, target: string): Promise<void> {
    return (this.#exit ??= this.#runExit(eventId, target).catch((err: unknown) => {
      this.#exit = undefined;
      throw err;
    }));
  }

  async #runExit(eventId: string, target: string): Promise<void> {
    const parsed = readTarget(target);
    await this.#init?.catch(() => {});
    const pkg = this.#package;
    if (!pkg) return;
    await this.stop();
    // Effects without a context: nothing that uninit reads is watched.
    await codeOf("uninit", () => pkg.uninit({ effects: createEffects(this.#host, null, eventId), target: parsed }));
    this.#root?.leave();
  }

  /** Runs a procedure and gives its result. */
  async execute(eventId: string, procedure: string, input: unknown): Promise<unknown> {
    const { pkg, root } = this.#ready();
    const run = this.#quietProcedure(pkg, procedure) ?? procedureOf(pkg, procedure);
    const effects = createEffects(this.#host, root.child(procedure), eventId);
    return this.#host.activity.during(() => codeOf(procedure, () => run(effects, isRecord(input) ? input : {}), procedure.endsWith("/run")));
  }

  #quietProcedure(pkg: Package, procedure: string): Procedure | undefined {
    if (procedure !== "/backup/freeze" && procedure !== "/backup/thaw") return undefined;
    const { freeze, thaw } = pkg.createBackup ?? {};
    if (!freeze || !thaw) throw new Fault(Reason.PACKAGE_CODE_FAILED, "the package has no code that freezes its data");
    const hooks: QuietHooks = { freeze, thaw };
    if (procedure === "/backup/thaw") return (effects) => this.#quiet.thaw(hooks, effects);
    return (effects, { seconds }) => {
      if (!this.#running || this.#stop) throw new Fault(Reason.SERVICE_NOT_READY, "the service does not run");
      if (typeof seconds !== "number" || !(seconds > 0 && seconds <= longest)) throw new Fault(Reason.INVALID_ARGUMENT, `"seconds" must be a number up to ${longest}`, [{ field: "input", message: "has no time" }]);
      return this.#quiet.freeze(hooks, effects, seconds);
    };
  }

  /** Tells whether the code does nothing but wait, and for what. */
  idle(): { busy: string; quiet: number; waits: AwaitRequest[] } {
    const { activity } = this.#host;
    const live = this.#running || this.#start || this.#stop || this.#exit || !this.#package;
    return { busy: live ? "it is not at rest" : activity.busy, quiet: activity.quiet, waits: waits() };
  }

  #ready(): { pkg: Package; root: Context } {
    if (!this.#package || !this.#root) throw new Fault(Reason.SERVICE_NOT_READY, "the package is not initialised");
    return { pkg: this.#package, root: this.#root };
  }
}

// A timer takes no more than 31 bits of milliseconds.
const longest = 2_000_000;

type Procedure = (effects: Effects, input: Record<string, unknown>) => Promise<unknown>;

function procedureOf(pkg: Package, procedure: string): Procedure {
  if (procedure === "/backup/create") {
    if (typeof pkg.createBackup !== "function") throw new Fault(Reason.PACKAGE_CODE_FAILED, "the package does not make backups");
    return (effects, { volumes }) => pkg.createBackup!(typeof volumes === "string" ? { effects, volumes } : { effects });
  }
  const [, id, verb] = /^\/actions\/([^/]+)\/(getInput|run)$/.exec(procedure) ?? [];
  if (!id) throw new Fault(Reason.INVALID_ARGUMENT, `there is no procedure "${procedure}"`, [{ field: "procedure", message: "is unknown" }]);
  const action = pkg.actions.get(id);
  if (!action) throw new Fault(Reason.ACTION_NOT_FOUND, `the package has no action "${id}"`);
  return verb === "run"
    ? (effects, input) => action.run({ effects, input: input["input"] ?? {} })
    : (effects, input) => action.getInput({ effects, prefill: input["prefill"] ?? null });
}

function readTarget(target: string): Target {
  try {
    return parseTarget(target);
  } catch {
    throw new Fault(Reason.INVALID_ARGUMENT, `"${target}" is neither a version nor a range`, [
      { field: "target", message: "is neither a version nor a range" },
    ]);
  }
}

// In main a value that was read with .const and has changed restarts the service, once.
function restartOnce(effects: Effects): () => void {
  let asked = false;
  return () => {
    if (asked || !effects.isInContext) return;
    asked = true;
    effects.restart().catch((err: unknown) => log("cannot ask for a restart", err));
  };
}

// Packages made with SDKs before 0.4.0-beta.45 report with it that their main runs, and how to end it.
function legacyStarted(effects: Effects, terms: (() => unknown)[]): (onTerm?: () => unknown) => Promise<null> {
  return (onTerm) => {
    if (onTerm) terms.push(onTerm);
    return effects.setMainStatus({ status: "running" });
  };
}

// Runs package code, and makes of what it throws the fault for the caller; the stack goes to the log.
async function codeOf<T>(what: string, run: () => Promise<T>, form = false): Promise<T> {
  try {
    return await run();
  } catch (err) {
    if (err instanceof Fault) throw err;
    log(`${what} failed`, err);
    const issues = form ? issuesOf(err) : undefined;
    throw issues ? new Fault(Reason.ACTION_INPUT, describe(err), issues) : new Fault(Reason.PACKAGE_CODE_FAILED, describe(err));
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
