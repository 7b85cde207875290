import { create, getOption, toBinary, type DescMethodUnary, type Message } from "@bufbuild/protobuf";
import { AwaitRequestSchema, EffectsService, type AwaitRequest } from "@hearthos/abi/hearth/effects/v1/effects_pb";
import { effect as effectOption } from "@hearthos/abi/hearth/options/v1/options_pb";
import { decode, encode } from "./codec.js";
import { guard, type Context } from "./context.js";
import { Reason } from "./fault.js";
import type { Host } from "./host.js";
import { latest } from "./latest.js";
import { pathOf } from "./names.js";
import { refusalOf } from "./status.js";

/**
 * What package code gets to ask of its host. It is a plain object of closures, because packages copy it with the
 * spread operator and replace members; `isInContext` and `constRetry` are plain members for the same reason.
 */
export interface Effects {
  readonly eventId: string | null;
  /** Whether the context still lives; set to false when it is left. */
  isInContext: boolean;
  /** Runs again what the context is for, because something read in it has changed. */
  constRetry?: (() => void) | undefined;
  /** Makes effects of a context of their own, which replaces the earlier child of this name. */
  child(name: string): Effects;
  onLeaveContext(hook: () => unknown): void;
  restart(): Promise<null>;
  setMainStatus(params: { status: "running" | "stopped" }): Promise<null>;
  [name: string]: unknown;
}

/** The rejection of an effect. */
export class EffectError extends Error {
  override readonly name = "EffectError";
  /** Name of the effect. */
  readonly effect: string;
  /** Why, as in "EFFECT_UNKNOWN"; undefined when the host gave no reason. */
  readonly reason: string | undefined;
  /** Whether it was rejected because what it was called for has ended. */
  readonly late: boolean;

  constructor(effect: string, cause: unknown) {
    const refusal = refusalOf(cause);
    super(`${refusal?.message ?? (cause instanceof Error ? cause.message : String(cause))} @ ${effect}`, { cause });
    this.effect = effect;
    this.late = (cause as { name?: unknown } | undefined)?.name === "AbortError";
    this.reason = refusal?.fault && Reason[refusal.fault.reason];
  }
}

/** Whether an error is the rejection of a report whose main has ended, or was made of it. */
export function isLate(err: unknown): boolean {
  for (let depth = 0; err instanceof Error && depth < 8; depth++, err = err.cause) if (err instanceof EffectError && err.late) return true;
  return false;
}

/** What an effect is called for: the context that watches belong to, and the main whose reports they are, if any. */
interface Scope {
  context: Context | null;
  main: Context | null;
}

type Call = (host: Host, scope: Scope, params: unknown) => Promise<unknown>;

// Effects whose second run is not the same as one: they are not sent again when it is unknown whether they arrived.
// All others set a state, read one, or (subcontainer.create-fs) leave at most a folder that goes with the container.
const once = new Set(["action.run", "notification.create"]);

// Effects of which only the newest state counts, with the parameter that tells the states apart.
const states: Record<string, string | undefined> = { "set-health": "id", "set-metrics": "", "set-init-progress": "" };

/** All effects by name, in the order of the contract. */
const calls: ReadonlyMap<string, Call> = makeCalls();

function makeCalls(): Map<string, Call> {
  const calls = new Map<string, Call>();
  for (const method of EffectsService.methods) {
    const name = getOption(method, effectOption);
    if (name) calls.set(name, caller(name, method as DescMethodUnary));
  }
  return calls;
}

function caller(name: string, method: DescMethodUnary): Call {
  const watchable = method.output.field["etag"] !== undefined;
  const key = states[name];
  return async (host, { context, main }, params) => {
    const request = encode(method.input, legacy(name, params));
    const send = () => host.call(method, request, { once: once.has(name) });
    const response = key === undefined ? await send() : await whileIn(main, () => latest(host, `${name} ${parameter(params, key)}`, send));
    const callback = watchable && context ? parameter(params, "callback") : undefined;
    if (typeof callback === "function") {
      const etag = (response as Message & { etag: string }).etag;
      subscribe(host, { context: context!, main }, callback as () => unknown, create(AwaitRequestSchema, { effect: name, request: toBinary(method.input, request), etag }));
    }
    return decode(method.output, response);
  };
}

/**
 * Gives the result of a report, but rejects as soon as the main is left, also what waits for the host. The SDK launches
 * a daemon once its report that it starts has been taken, and does not look whether it was ended meanwhile: an answer
 * that comes late would leave a daemon, and its checks, that nobody ends any more.
 */
async function whileIn<T>(main: Context | null, report: () => Promise<T>): Promise<T> {
  if (!main) return report();
  main.end.throwIfAborted();
  return new Promise<T>((resolve, reject) => {
    const left = () => reject(main.end.reason as Error);
    main.end.addEventListener("abort", left, { once: true });
    report()
      .then(resolve, reject)
      .finally(() => main.end.removeEventListener("abort", left));
  });
}

function parameter(params: unknown, name: string): unknown {
  return typeof params === "object" && params !== null ? (params as Record<string, unknown>)[name] : undefined;
}

// Tasks made with SDKs before 2.0 say one value where later ones say which are accepted and which is set.
function legacy(name: string, params: unknown): unknown {
  const input = name === "action.create-task" ? parameter(params, "input") : undefined;
  if (typeof input !== "object" || input === null || !("value" in input) || "accept" in input || "set" in input) return params;
  const { value, ...rest } = input as Record<string, unknown>;
  return { ...(params as object), input: { ...rest, accept: [value], set: value } };
}

let lastCallback = 0;
const callbacks = new Map<number, { cancel(): void; wait: AwaitRequest }>();

function subscribe(host: Host, { context, main }: { context: Context; main: Context | null }, callback: () => unknown, wait: AwaitRequest): void {
  const id = ++lastCallback;
  const watch = context.watch(async (signal) => {
    try {
      await host.changed(wait, signal);
    } finally {
      callbacks.delete(id);
    }
    if (signal.aborted) return;
    if (main) host.activity.touch();
    else host.activity.handlerRuns();
    guard(`the package's callback for ${wait.effect} failed`, callback);
  });
  if (!context.left) callbacks.set(id, { cancel: watch.cancel, wait });
}

/** What the callbacks of the package's code wait for, each value once. */
export function waits(): AwaitRequest[] {
  const seen = new Map<string, AwaitRequest>();
  for (const { wait } of callbacks.values()) {
    seen.set(`${wait.effect} ${wait.etag} ${Buffer.from(wait.request).toString("base64")}`, wait);
  }
  return [...seen.values()];
}

function clearCallbacks(params: unknown): null {
  const only = parameter(params, "only");
  const except = parameter(params, "except");
  for (const [id, watch] of [...callbacks]) {
    const named = (list: unknown) => Array.isArray(list) && list.includes(id);
    if (only !== undefined ? named(only) : except !== undefined && !named(except)) {
      callbacks.delete(id);
      watch.cancel();
    }
  }
  return null;
}

/**
 * Builds the Effects object of a context. Without a context nothing can be subscribed to, and callbacks are never
 * called. Reports of states that are made for a main end with it.
 */
export function createEffects(host: Host, context: Context | null, eventId: string | null, main: Context | null = null): Effects {
  const effects = {
    eventId,
    isInContext: context !== null && !context.left,
    child: (name: string) => createEffects(host, context?.child(name) ?? null, eventId, main),
    onLeaveContext: (hook: () => unknown) => context?.onLeave(hook),
    clearCallbacks: async (params?: unknown) => clearCallbacks(params),
  } as unknown as Effects;
  context?.onLeave(() => {
    effects.isInContext = false;
    delete effects.constRetry;
  });
  for (const [name, call] of calls) {
    place(effects, pathOf(name), async (params?: unknown) => {
      try {
        return await call(host, { context, main }, params);
      } catch (err) {
        throw new EffectError(name, err);
      }
    });
  }
  return effects;
}

function place(effects: Effects, path: string[], fn: unknown): void {
  let at = effects as Record<string, unknown>;
  for (const part of path.slice(0, -1)) at = (at[part] ??= {}) as Record<string, unknown>;
  at[path.at(-1)!] = fn;
}
