import { fromBinary, toBinary, type DescMethodUnary, type Message } from "@bufbuild/protobuf";
import { Client, credentials, Metadata, status } from "@grpc/grpc-js";
import { EffectsService, type AwaitRequest } from "@hearthos/abi/hearth/effects/v1/effects_pb";
import { Activity } from "./activity.js";
import { Reason } from "./fault.js";
import { refusalOf } from "./status.js";

/** Bounds one message to or from the host. */
export const maxMessage = 16 << 20;

// How soon a connection is tried again: the daemon is away for some seconds when it is updated.
const firstPause = 50;
const longestPause = 1000;
// How often a call is sent again after errors that tell neither that the host refused nor that it went away.
const oddRetries = 10;

/**
 * The host's side of hearth.effects.v1. Containers outlive the daemon: while it is away calls wait, and those that were
 * under way are sent again, so package code sees nothing of its restarts but the time they take.
 */
export class Host {
  /** What the package's code asks counts as activity, waiting for a change does not. */
  readonly activity = new Activity();
  readonly #client: Client;

  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), {
      "grpc.initial_reconnect_backoff_ms": firstPause,
      "grpc.max_reconnect_backoff_ms": longestPause,
      "grpc.max_receive_message_length": maxMessage,
      "grpc.max_send_message_length": maxMessage,
      "grpc.enable_retries": 0,
      "grpc.enable_channelz": 0,
    });
  }

  /** Closes the connection; calls that wait end. */
  close(): void {
    this.#client.close();
  }

  /**
   * Calls a method. With `once` the call is not sent again when the connection broke, since it may have reached the
   * host.
   */
  call(method: DescMethodUnary, request: Message, options: { once?: boolean } = {}): Promise<Message> {
    return this.activity.during(() => this.#call(method, request, options));
  }

  async #call(method: DescMethodUnary, request: Message, options: { signal?: AbortSignal; once?: boolean }): Promise<Message> {
    const bytes = toBinary(method.input, request);
    let odd = 0;
    for (let pause = firstPause; ; pause = Math.min(longestPause, pause * 1.6)) {
      try {
        return fromBinary(method.output, await this.#send(method, bytes, options.signal));
      } catch (err) {
        options.signal?.throwIfAborted();
        const kind = classify(err);
        if (kind === "answer" || options.once || (kind === "odd" && ++odd > oddRetries)) throw err;
      }
      await sleep(pause * (0.8 + 0.4 * Math.random()), options.signal);
    }
  }

  #send(method: DescMethodUnary, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<Uint8Array> {
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        `/${method.parent.typeName}/${method.name}`,
        (value: Uint8Array) => Buffer.from(value),
        (value: Buffer) => value,
        bytes,
        new Metadata({ waitForReady: true }),
        (err, value) => {
          signal?.removeEventListener("abort", cancel);
          if (err) reject(err);
          else resolve(value!);
        },
      );
      const cancel = () => call.cancel();
      signal?.addEventListener("abort", cancel, { once: true });
    });
  }

  /** Waits until the value of an effect is another than the one seen. */
  async changed(wait: AwaitRequest, signal: AbortSignal): Promise<void> {
    for (let pause = longestPause; ; pause = Math.min(30_000, pause * 2)) {
      try {
        await this.#call(EffectsService.method.await, wait, { signal });
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
 * What a failed call tells: "answer" is the host's refusal, "broken" that the connection ended or the host is going
 * away, "odd" anything else.
 */
export function classify(err: unknown): "answer" | "broken" | "odd" {
  const refusal = refusalOf(err);
  if (!refusal) return "odd";
  const reason = refusal.fault?.reason;
  if (reason !== undefined) return reason === Reason.UNAVAILABLE || reason === Reason.CANCELLED ? "broken" : "answer";
  switch (refusal.code) {
    case status.UNAVAILABLE:
    case status.ABORTED:
    case status.CANCELLED:
      return "broken";
    case status.INTERNAL:
    case status.UNKNOWN:
      return "odd";
    default:
      return "answer";
  }
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }, ms);
    signal?.addEventListener("abort", aborted, { once: true });
  });
}
