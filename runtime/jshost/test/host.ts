import { rmSync } from "node:fs";
import { create, fromBinary, getOption, toBinary, type DescMethod, type DescMethodUnary, type Message } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type handleUnaryCall, type MethodDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { EffectsService, type AwaitRequest } from "@hearthos/abi/hearth/effects/v1/effects_pb";
import { effect as effectOption } from "@hearthos/abi/hearth/options/v1/options_pb";
import { decodeJson } from "../src/codec.js";
import { Fault, Reason } from "../src/fault.js";
import { statusOf } from "../src/status.js";

/** A call as the host saw it: the name of the effect and its parameters, JSON parsed. */
export interface Call {
  effect: string;
  params: Record<string, unknown>;
}

/** What the host answers: the members of the response, or an error to throw. */
export type Answer = (params: Record<string, unknown>) => object | Promise<object>;

/** A daemon's side of hearth.effects.v1 for tests: it records the calls and answers as it is told. */
export class FakeHost {
  readonly calls: Call[] = [];
  readonly answers = new Map<string, Answer>();
  readonly #socket: string;
  readonly #etags = new Map<string, number>();
  readonly #changed = new EventTarget();
  #server: Server | undefined;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** Begins to serve. */
  async open(): Promise<this> {
    rmSync(this.#socket, { force: true });
    const server = new Server();
    const methods = EffectsService.methods as DescMethodUnary[];
    const definition: Record<string, MethodDefinition<Message, Message>> = {};
    const implementation: UntypedServiceImplementation = {};
    for (const method of methods) {
      definition[method.localName] = {
        path: `/${EffectsService.typeName}/${method.name}`,
        requestStream: false,
        responseStream: false,
        requestSerialize: (m: Message) => Buffer.from(toBinary(method.input, m)),
        requestDeserialize: (b: Buffer) => fromBinary(method.input, b),
        responseSerialize: (m: Message) => Buffer.from(toBinary(method.output, m)),
        responseDeserialize: (b: Buffer) => fromBinary(method.output, b),
      };
      const handler: handleUnaryCall<Message, Message> = (call, callback) => {
        this.#handle(method, call.request).then(
          (value) => callback(null, create(method.output, value as Record<string, unknown>)),
          (err: unknown) => callback(statusOf(err)),
        );
      };
      implementation[method.localName] = handler;
    }
    server.addService(definition, implementation);
    await new Promise<void>((resolve, reject) =>
      server.bindAsync(`unix:${this.#socket}`, ServerCredentials.createInsecure(), (err) => (err ? reject(err) : resolve())),
    );
    this.#server = server;
    return this;
  }

  /** Goes away as a killed daemon does: calls that are under way get no answer, and nothing listens. */
  async close(): Promise<void> {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.#changed.dispatchEvent(new Event("gone"));
    rmSync(this.#socket, { force: true });
  }

  /** Gives the value of a watchable effect another etag and answers who waits for that. */
  change(effect: string): void {
    this.#etags.set(effect, this.#etag(effect) + 1);
    this.#changed.dispatchEvent(new Event(effect));
  }

  /** Names of the calls so far. */
  names(): string[] {
    return this.calls.map((call) => call.effect);
  }

  /** Waits until so many calls of an effect have come, and gives them. */
  async seen(effect: string, count = 1): Promise<Call[]> {
    for (;;) {
      const found = this.calls.filter((call) => call.effect === effect);
      if (found.length >= count) return found;
      await new Promise((resolve) => this.#changed.addEventListener("call", resolve, { once: true }));
    }
  }

  #etag(effect: string): number {
    return this.#etags.get(effect) ?? 1;
  }

  async #handle(method: DescMethod, request: Message): Promise<object> {
    if (method.localName === "await") return this.#await(request as AwaitRequest);
    const effect = getOption(method, effectOption) || method.localName;
    const params = paramsOf(method, request);
    this.calls.push({ effect, params });
    this.#changed.dispatchEvent(new Event("call"));
    const etag = method.output.field["etag"] ? { etag: String(this.#etag(effect)) } : {};
    return { ...etag, ...(await this.answers.get(effect)?.(params)) };
  }

  async #await(request: AwaitRequest): Promise<object> {
    this.calls.push({ effect: "await", params: { effect: request.effect, etag: request.etag } });
    this.#changed.dispatchEvent(new Event("call"));
    while (String(this.#etag(request.effect)) === request.etag) {
      await new Promise((resolve) => {
        this.#changed.addEventListener(request.effect, resolve, { once: true });
        this.#changed.addEventListener("gone", resolve, { once: true });
      });
      if (!this.#server) throw new Fault(Reason.UNAVAILABLE, "the daemon is going away");
    }
    return { etag: String(this.#etag(request.effect)) };
  }
}

/** Reads the parameters of an effect back out of a request. */
export function paramsOf(method: DescMethod, request: Message): Record<string, unknown> {
  const params: Record<string, unknown> = {};
  for (const field of method.input.fields) {
    const value = (request as Message & Record<string, unknown>)[field.localName];
    if (value instanceof Uint8Array) {
      if (value.length > 0) params[field.jsonName] = decodeJson(value);
    } else if (value !== undefined) params[field.jsonName] = value;
  }
  return params;
}

/** The members of a response that has a value of JSON. */
export function json(value: unknown): { value: Uint8Array } {
  return { value: new TextEncoder().encode(JSON.stringify(value)) };
}
