import { create, toBinary, type DescMethodUnary, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { AwaitRequestSchema, EffectsService } from "@hearthos/abi/hearth/effects/v1/effects_pb";
import { faultOf, Reason } from "./fault.js";

/** Bounds one message to or from the host. */
export const maxMessage = 16 << 20;

const firstPause = 50;
const longestPause = 1000;
// How often a call is tried again after errors that tell neither that the host refused nor that it is away.
const oddRetries = 10;

/**
 * The host's side of hearth.effects.v1. Containers outlive the daemon: while it is away calls wait and are sent again,
 * so package code sees nothing of its restarts but the time they take.
 */
export class Host {
  readonly #transport: Transport;

  constructor(socket: string) {
    this.#transport = createGrpcTransport({
      baseUrl: "http://localhost",
      nodeOptions: { path: socket },
      acceptCompression: [],
      readMaxBytes: maxMessage,
      writeMaxBytes: maxMessage,
    });
  }

  /**
   * Calls a method. With `once` the call is not repeated when the connection broke after the request may have reached
   * the host.
   */
  async call(method: DescMethodUnary, request: Message, options: { signal?: AbortSignal; once?: boolean } = {}): Promise<Message> {
    let pause = firstPause;
    let odd = 0;
    for (;;) {
      try {
        const response = await this.#transport.unary(method, options.signal, undefined, undefined, request);
        return response.message as Message;
      } catch (err) {
        options.signal?.throwIfAborted();
        const kind = classify(err);
        if (kind === "answer" || (options.once && kind !== "unsent") || (kind === "odd" && ++odd > oddRetries)) throw err;
      }
      await sleep(pause * (0.8 + 0.4 * Math.random()), options.signal);
      pause = Math.min(longestPause, pause * 1.6);
    }
  }

  /** Waits until the value that an effect's method answered is another than the one with the etag. */
  async changed(effect: string, method: DescMethodUnary, request: Message, etag: string, signal: AbortSignal): Promise<void> {
    const wait = create(AwaitRequestSchema, { effect, request: toBinary(method.input, request), etag });
    for (let pause = firstPause; ; pause = Math.min(30_000, pause * 2)) {
      try {
        await this.call(EffectsService.method.await, wait, { signal });
        return;
      } catch {
        // A watch must not die of an answer that may be another one later; nobody would tell the package.
        signal.throwIfAborted();
        await sleep(pause, signal);
      }
    }
  }
}

/**
 * What a failed call tells: "answer" is the host's refusal, "unsent" that there was no host to connect to, "broken"
 * that the connection ended or the host is going away, "odd" anything else.
 */
export function classify(err: unknown): "answer" | "unsent" | "broken" | "odd" {
  const fault = faultOf(err);
  if (fault) return fault.reason === Reason.UNAVAILABLE || fault.reason === Reason.CANCELLED ? "broken" : "answer";
  for (let cause: unknown = err; cause instanceof Error; cause = cause.cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ECONNREFUSED") return "unsent";
    if (typeof code === "string" && /^(ECONNRESET|EPIPE|ERR_HTTP2_.*|ERR_STREAM_.*)$/.test(code)) return "broken";
  }
  switch (ConnectError.from(err).code) {
    case Code.Unavailable:
    case Code.Aborted:
    case Code.Canceled:
      return "broken";
    case Code.Internal:
    case Code.Unknown:
      return "odd";
    default:
      return "answer";
  }
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    };
    const timer = setTimeout(done, ms);
    const aborted = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", aborted, { once: true });
  });
}
