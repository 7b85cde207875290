import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, getOption, type DescMessage, type DescMethodUnary, type Message } from "@bufbuild/protobuf";
import { createClient, createRouterTransport, type Client } from "@connectrpc/connect";
import { EffectsService } from "@hearthos/abi/hearth/effects/v1/effects_pb";
import { effect as effectOption } from "@hearthos/abi/hearth/options/v1/options_pb";
import type { Effects } from "../effects.js";
import type { CreateBackup } from "../quiet.js";
import type { Init, InitKind, Target, Uninit } from "../init.js";
import type { Buildable } from "../effects.js";
import type * as W from "../wire.js";
import { TestContext } from "./context.js";

// A test may play the time; what waits here does not.
const realTimeout = setTimeout;

// Plays start-container: the first process waits for its end, and commands are the scripts of the test. What it leaves when
// it is killed holds nothing of its caller's, and ends by itself.
const player = `echo "$*" >> "$HEARTH_PACKAGE_ROOT/commands"
[ "$1" = subcontainer ] || exit 0
verb=$2
shift 2
while [ "\${1#--}" != "$1" ]; do
  if [ "$1" = --env ]; then export "$2"; fi
  shift 2
done
root=$1
shift
if [ "$verb" = launch ] && [ $# -eq 0 ]; then mkdir -p "$root/proc/1"; fi
program=$HEARTH_PACKAGE_ROOT/programs/$(basename "\${1:-}")
if [ $# -gt 0 ] && [ -x "$program" ]; then shift; cd "$root" && exec "$program" "$@"; fi
trap 'exit 0' TERM INT QUIT HUP USR1 USR2
while :; do sleep 1 </dev/null >/dev/null 2>&1 & wait; done`;

/** A call of an effect, as the host saw it. */
export interface Recorded {
  effect: string;
  params: Record<string, any>;
}
/** What a test says of the world. */
export interface TestHostOptions {
  /** What effects give, by their names in the contract, in place of what the host keeps. */
  answers?: Record<string, (params: Record<string, any>) => unknown>;
  /** What programs in subcontainers do, by their names, as scripts of sh. Any other runs until it is told to end. The entrypoint of an image has the image's name. */
  programs?: Record<string, string>;
  /** The clock of a test that plays the time, as `mock.timers` of node:test: `until` moves it. */
  clock?: { tick(ms: number): void };
}
/** The exports of a package that a test needs. */
export interface Testable {
  init: Init;
  uninit: Uninit;
  main?: (options: { effects: Effects }) => Promise<Buildable>;
  actions: { get(id: any): any };
  manifest?: { images: Record<string, unknown>; volumes?: readonly string[] };
  createBackup?: CreateBackup;
}

/**
 * A host that keeps in memory what a package tells it.
 * @example
 * const page = new TestHost(pkg);
 * await page.install();
 * assert.equal(page.dataVersion, "1.0.0:0");
 * await page.uninstall();
 */
export class TestHost {
  /** The folder that stands for /media/startos. */
  readonly root = mkdtempSync(join(tmpdir(), "hearth-test-"));
  readonly calls: Recorded[] = [];
  readonly actions = new Map<string, W.ActionMetadata>();
  readonly tasks = new Map<string, W.CreateTaskParams>();
  readonly health = new Map<string, W.SetHealth>();
  readonly interfaces = new Map<string, W.ServiceInterface>();
  /** What the package publishes about itself. */
  metrics = new Map<string, W.Metric>();
  dependencies: W.DependencyRequirement[] = [];
  dataVersion: string | null = null;
  /** How often the package asked to be restarted. */
  restarts = 0;
  readonly answers: Record<string, (params: Record<string, any>) => unknown>;
  readonly #client: Client<typeof EffectsService>;
  #context = new TestContext();
  #running: { term(): Promise<void> } | undefined;
  #events = 0;
  readonly #clock: TestHostOptions["clock"];
  readonly #before: { root: string | undefined; path: string | undefined };

  constructor(
    readonly pkg: Testable,
    options: TestHostOptions = {},
  ) {
    this.answers = options.answers ?? {};
    this.#clock = options.clock;
    for (const name of ["volumes", "assets", "images", "backup", "subcontainers", "net", "bin", "programs"]) mkdirSync(join(this.root, name), { recursive: true });
    for (const name of pkg.manifest?.volumes ?? []) mkdirSync(join(this.root, "volumes", name), { recursive: true });
    for (const [name, body] of [["start-container", player], ["mount", "exit 0"]] as const) this.#script("bin", name, body);
    for (const name of Object.keys(pkg.manifest?.images ?? {})) writeFileSync(join(this.root, "images", `${name}.json`), JSON.stringify({ entrypoint: [name] }));
    for (const [name, body] of Object.entries(options.programs ?? {})) this.#script("programs", name, body);
    this.#before = { root: process.env["HEARTH_PACKAGE_ROOT"], path: process.env["PATH"] };
    process.env["HEARTH_PACKAGE_ROOT"] = this.root;
    process.env["PATH"] = `${join(this.root, "bin")}:${process.env["PATH"]}`;
    const transport = createRouterTransport(({ service }) => void service(EffectsService, this.#service() as never));
    this.#client = createClient(EffectsService, transport);
  }

  /** Has something listen at a port, as a health check sees it. */
  listen(port: number): void {
    const line = `   0: 00000000:${port.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A\n`;
    appendFileSync(join(this.root, "net/tcp"), line);
  }

  /** Waits until something is so, and moves the clock of the test by a second each time it is not. */
  async until(what: () => boolean | Promise<boolean>): Promise<void> {
    for (let i = 0; i < 2000; i++) {
      if (await what()) return;
      this.#clock?.tick(1000);
      await new Promise((resolve) => realTimeout(resolve, 5));
    }
    throw new Error(`it did not come to be: ${what}`);
  }

  /** The commands that were run in subcontainers, a line each. */
  get commands(): string[] {
    const file = join(this.root, "commands");
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  }

  /** Runs the init, as for a package that is new, or as said. */
  async install(kind: InitKind = "install"): Promise<void> {
    await this.pkg.init({ effects: this.#effects(this.#context.child("init")), kind });
  }

  /** Runs the main and begins what it describes. */
  async start(): Promise<void> {
    if (!this.pkg.main) throw new Error("the package has no main");
    const effects = this.#effects(this.#context.child("main"));
    effects.constRetry = () => void effects.restart();
    const built = await this.pkg.main({ effects });
    this.#running = await built.build();
  }

  async stop(): Promise<void> {
    this.#context.child("main").leave();
    await this.#running?.term();
    this.#running = undefined;
  }

  /** Makes a backup into the folder for it, of a running service with quiet data where it can, or of a copy that was made of them while they were; an install of the kind "restore" reads it back. */
  async backup(): Promise<void> {
    const { createBackup } = this.pkg;
    if (!createBackup) throw new Error("the package makes no backups");
    const effects = this.#effects(this.#context.child("backup"));
    const quiet = this.#running ? createBackup : null;
    const moment = join(this.root, "moment");
    rmSync(moment, { recursive: true, force: true });
    let apart = false;
    try {
      apart = (await quiet?.freeze?.({ effects }))?.apart ?? false;
      if (apart) cpSync(join(this.root, "volumes"), moment, { recursive: true, verbatimSymlinks: true });
      else await createBackup({ effects });
    } finally {
      await quiet?.thaw?.({ effects });
    }
    if (apart) await createBackup({ effects, volumes: moment });
  }

  /** Asks for the form of an action, fills it in over what is there, and runs it. */
  async run(id: string, input: Record<string, unknown> = {}): Promise<W.ActionResult | null> {
    const action = this.pkg.actions.get(id);
    if (!action) throw new Error(`there is no action ${id}`);
    const effects = this.#effects(this.#context.child(`action ${id}`), `event-${++this.#events}`);
    const { value } = await action.getInput({ effects, prefill: null });
    const result = await action.run({ effects, input: { ...value, ...input } });
    for (const [key, task] of this.tasks) if (task.actionId === id) this.tasks.delete(key);
    return result;
  }

  /** The value that the form of an action begins with. */
  async input(id: string): Promise<W.ActionInput> {
    return this.pkg.actions.get(id).getInput({ effects: this.#effects(this.#context.child(`input ${id}`), `event-${++this.#events}`), prefill: null });
  }

  /** Tells a package that watches it that the value of an effect is another. */
  changed(effect: string): void {
    this.#context.changed(effect);
  }

  /** Runs the uninit, and removes the folder when nothing comes after. */
  async uninstall(target: Target = null): Promise<void> {
    await this.stop();
    await this.pkg.uninit({ effects: this.#effects(new TestContext()), target });
    if (target === null) this.close();
  }

  close(): void {
    this.#context.leave();
    if (this.#before.root === undefined) delete process.env["HEARTH_PACKAGE_ROOT"];
    else process.env["HEARTH_PACKAGE_ROOT"] = this.#before.root;
    process.env["PATH"] = this.#before.path;
    // What the package's code had begun may be making a folder still.
    rmSync(this.root, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }

  #script(folder: string, name: string, body: string): void {
    writeFileSync(join(this.root, folder, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }

  #effects(context: TestContext, eventId: string | null = null): Effects {
    const effects = {
      eventId,
      isInContext: !context.left,
      child: (name: string) => this.#effects(context.child(name), eventId),
      onLeaveContext: (hook: () => unknown) => context.onLeave(hook),
      clearCallbacks: async () => null,
    } as unknown as Record<string, any>;
    context.onLeave(() => {
      effects["isInContext"] = false;
      delete effects["constRetry"];
    });
    for (const method of EffectsService.methods as DescMethodUnary[]) {
      const name = getOption(method, effectOption);
      if (name) place(effects, name, (params: Record<string, any> = {}) => this.#call(context, method, name, params));
    }
    return effects as unknown as Effects;
  }

  async #call(context: TestContext, method: DescMethodUnary, name: string, params: Record<string, any>): Promise<unknown> {
    const { callback, ...plain } = params;
    if (typeof callback === "function") context.subscribe(name, callback);
    const response = (await (this.#client as any)[method.localName](encode(method.input, plain))) as Record<string, any>;
    return response["value"] instanceof Uint8Array ? (response["value"].length === 0 ? null : JSON.parse(new TextDecoder().decode(response["value"]))) : (response["value"] ?? null);
  }

  // The service of the contract: each effect is recorded and answered.
  #service(): Record<string, (request: Message) => Promise<Message>> {
    const service: Record<string, (request: Message) => Promise<Message>> = {};
    for (const method of EffectsService.methods as DescMethodUnary[]) {
      const name = getOption(method, effectOption);
      if (!name) continue;
      service[method.localName] = async (request) => {
        const params = decode(method.input, request);
        this.calls.push({ effect: name, params });
        const value = this.answers[name] ? await this.answers[name](params) : this.#keep(name, params);
        const field = method.output.field["value"];
        if (!field || value === undefined || value === null) return create(method.output);
        const coded = field.fieldKind === "scalar" && field.scalar === 12 ? new TextEncoder().encode(JSON.stringify(value)) : value;
        return create(method.output, { value: coded } as never);
      };
    }
    return service;
  }

  // What a host without a test's answer does: it keeps what it is told.
  #keep(name: string, p: Record<string, any>): unknown {
    switch (name) {
      case "get-data-version":
        return this.dataVersion;
      case "set-data-version":
        this.dataVersion = p["version"] ?? null;
        return null;
      case "action.export":
        this.actions.set(p["id"], p["metadata"]);
        return null;
      case "action.clear":
        for (const id of [...this.actions.keys()]) if (!(p["except"] ?? []).includes(id)) this.actions.delete(id);
        return null;
      case "action.create-task":
        this.tasks.set(p["replayId"], p as W.CreateTaskParams);
        return null;
      case "action.clear-tasks":
        for (const id of p["only"] ?? []) this.tasks.delete(id);
        return null;
      case "set-health":
        this.health.set(p["id"], p as W.SetHealth);
        return null;
      case "set-metrics":
        this.metrics = new Map((p["metrics"] as W.Metric[]).map((one) => [one.id, one]));
        return null;
      case "export-service-interface":
        this.interfaces.set(p["id"], p as W.ServiceInterface);
        return null;
      case "clear-service-interfaces":
        for (const id of [...this.interfaces.keys()]) if (!(p["except"] ?? []).includes(id)) this.interfaces.delete(id);
        return null;
      case "set-dependencies":
        this.dependencies = p["dependencies"] ?? [];
        return null;
      case "get-dependencies":
        return this.dependencies;
      case "subcontainer.create-fs": {
        const guid = `${p["imageId"]}-${++this.#events}`;
        mkdirSync(join(this.root, "subcontainers", guid), { recursive: true });
        return [join(this.root, "subcontainers", guid), guid];
      }
      case "restart":
        this.restarts++;
        return null;
      case "get-os-ip":
        return "10.0.3.1";
      default:
        return null;
    }
  }
}

function place(effects: Record<string, any>, name: string, fn: unknown): void {
  const path = name.split(".").map((part) => part.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()));
  let at = effects;
  for (const part of path.slice(0, -1)) at = at[part] ??= {};
  at[path.at(-1)!] = fn;
}

// Parameters go by the names of JSON; open JSON is carried as bytes.
function encode(message: DescMessage, params: Record<string, any>): Record<string, unknown> {
  const encoded: Record<string, unknown> = {};
  for (const field of message.fields) {
    const value = params[field.jsonName];
    if (value === undefined || value === null) continue;
    const bytes = field.fieldKind === "scalar" && field.scalar === 12;
    encoded[field.localName] = bytes ? new TextEncoder().encode(JSON.stringify(value)) : value;
  }
  return encoded;
}

function decode(message: DescMessage, request: Message): Record<string, any> {
  const params: Record<string, any> = {};
  for (const field of message.fields) {
    const value = (request as unknown as Record<string, unknown>)[field.localName];
    if (value instanceof Uint8Array) {
      if (value.length > 0) params[field.jsonName] = JSON.parse(new TextDecoder().decode(value));
    } else if (value !== undefined) params[field.jsonName] = value;
  }
  return params;
}
