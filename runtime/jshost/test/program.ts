import { spawn, type ChildProcess } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { TestContext } from "node:test";
import { create, fromBinary, toBinary, type DescMethodUnary, type Message } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { JsHostService, type ExecuteResponse } from "@hearthos/abi/hearth/jshost/v1/jshost_pb";
import { decodeJson, encodeJson } from "../src/codec.js";
import { FakeHost, json } from "./host.js";

// Volumes are links in the root, and a command runs in it.
const legacyContainer = `
if [ "$1" = bind-mount ]; then
  mkdir -p "$(dirname "$5")"; rmdir "$5" 2>/dev/null; ln -sfn "$3" "$5"; exit 0
fi
verb=$2; shift 2
while case $1 in --*) true ;; *) false ;; esac; do
  [ "$1" = --env ] && export "$2"
  shift 2
done
cd "$1" || exit 1
shift
[ "$verb" = launch ] && mkdir -p proc/1
[ $# -gt 0 ] && exec "$@"
trap 'kill $!; exit 0' TERM
sleep 1000 & wait`;

/** The built program with a package, a fake host and stand-ins for the programs of a container. */
export class Program {
  readonly dir = mkdtempSync(join(tmpdir(), "jshost-"));
  readonly host = new FakeHost(join(this.dir, "rpc/effects.sock"));
  readonly #client = new Client(`unix:${join(this.dir, "rpc/jshost.sock")}`, credentials.createInsecure(), {
    "grpc.initial_reconnect_backoff_ms": 10,
    "grpc.max_reconnect_backoff_ms": 50,
  });
  readonly #printed = new EventTarget();
  #child: ChildProcess | undefined;
  /** The end of the process: its exit code or signal. */
  ended: Promise<number | string | null> = Promise.resolve(null);
  /** The end of the pipe by which it tells that it answers. */
  ready: Promise<void> = Promise.resolve();
  /** What the process printed. */
  log = "";

  constructor() {
    this.host.answers.set("subcontainer.create-fs", () => {
      const guid = "G".repeat(32);
      mkdirSync(this.path("media/subcontainers", guid), { recursive: true });
      return json([this.path("media/subcontainers", guid), guid]);
    });
  }

  /** A path in the test's folder; "media" stands for /media/startos. */
  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  /** Starts the program with a package that was built to dist/fixtures, and code before its own, for as long as the test runs. */
  static async run(t: TestContext, name: string, first = ""): Promise<Program> {
    const program = new Program();
    t.after(() => program.end());
    program.#install(name, first);
    await program.host.open();
    program.#spawn();
    return program;
  }

  /** Starts the program with a package of StartOS 0.3: its manifest and its script. Commands in images run on this machine, in the folder of their root. */
  static async runLegacy(t: TestContext, manifest: object, script: string): Promise<Program> {
    const program = new Program();
    t.after(() => program.end());
    program.#folders();
    writeFileSync(program.path("package/embassyManifest.json"), JSON.stringify(manifest));
    writeFileSync(program.path("package/embassy.js"), script);
    program.#script("start-container", legacyContainer);
    await program.host.open();
    program.#spawn({ HEARTH_PACKAGE_ROOT: program.path("media") });
    return program;
  }

  #folders(): void {
    for (const d of ["rpc", "package", "bin", "media/volumes/main", "media/images", "media/assets", "media/backup"]) mkdirSync(this.path(d), { recursive: true });
    for (const image of ["main"]) {
      writeFileSync(this.path(`media/images/${image}.json`), "{}");
      writeFileSync(this.path(`media/images/${image}.env`), "PATH=/usr/bin:/bin\n");
    }
    this.#script("mount", "exit 0");
  }

  #install(name: string, first: string): void {
    this.#folders();
    cpSync(join("dist/fixtures", name), this.path("package"), { recursive: true });
    const code = readFileSync(this.path("package/index.js"), "utf8")
      .replaceAll("/media/startos", this.path("media"))
      .replaceAll('"start-container"', JSON.stringify(this.path("bin/start-container")));
    writeFileSync(this.path("package/index.js"), first + code);
    // A daemon of the package is a sleep that ends by SIGTERM; every other command succeeds at once.
    this.#script(
      "start-container",
      `echo "$*" >> ${this.path("commands")}
case "$1 $2" in
"subcontainer launch") mkdir -p "$3/proc/1" ;;
*) case "$*" in *lighttpd*) ;; *) exit 0 ;; esac ;;
esac
trap 'kill $!; exit 0' TERM
sleep 1000 & wait`,
    );
  }

  #script(name: string, body: string): void {
    writeFileSync(this.path("bin", name), `#!/bin/sh\n${body}\n`);
    chmodSync(this.path("bin", name), 0o755);
  }

  #spawn(more: Record<string, string> = {}): void {
    const child = spawn(process.execPath, ["dist/index.mjs"], {
      env: { ...process.env, ...more, PATH: `${this.path("bin")}:${process.env["PATH"]}`, HEARTH_PACKAGE_DIR: this.path("package"), HEARTH_RPC_DIR: this.path("rpc"), HEARTH_READY_FD: "3" },
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      detached: true, // a process group, which ends as one
    });
    this.#child = child;
    const add = (chunk: Buffer) => {
      this.log += chunk.toString();
      this.#printed.dispatchEvent(new Event("more"));
    };
    this.ready = new Promise((resolve) => (child.stdio[3] as Readable).resume().on("end", resolve));
    child.stdout!.on("data", add);
    child.stderr!.on("data", add);
    this.ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve(code ?? signal)));
  }

  /** Calls a method of hearth.jshost.v1; waits until the program serves. */
  call(name: keyof typeof JsHostService.method, request: Record<string, unknown> = {}): Promise<Message> {
    const method = JsHostService.method[name] as DescMethodUnary;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        `/${JsHostService.typeName}/${method.name}`,
        (m: Message) => Buffer.from(toBinary(method.input, m)),
        (b: Buffer) => fromBinary(method.output, b),
        create(method.input, request),
        new Metadata({ waitForReady: true }),
        // A deadline is a timer in the program, which idle would tell of.
        name === "idle" ? {} : { deadline: Date.now() + 20_000 },
        (err, value) => (err ? reject(err) : resolve(value!)),
      );
    });
  }

  /** Runs a procedure with JSON input and output. */
  async execute(procedure: string, input: unknown, eventId = "event"): Promise<any> {
    const response = (await this.call("execute", { eventId, procedure, input: encodeJson(input) })) as ExecuteResponse;
    return decodeJson(response.output);
  }

  /** Waits until the program has printed what matches. */
  async printed(what: RegExp): Promise<void> {
    while (!what.test(this.log)) await new Promise((resolve) => this.#printed.addEventListener("more", resolve, { once: true }));
  }

  /** The process id. */
  get pid(): number {
    return this.#child!.pid!;
  }

  /** Sends a signal. */
  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async end(): Promise<void> {
    try {
      if (this.#child) process.kill(-this.pid, "SIGKILL");
    } catch {
      // All of the group has ended by itself.
    }
    await this.ended;
    this.#client.close();
    await this.host.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
