import { faultOf } from "@hearthos/api/client";
import { Reason } from "@hearthos/api/hearth/meta/v1/fault_pb";
import type { WatchResponse } from "@hearthos/api/hearth/state/v1/state_pb";
import { parts, type Part, type Replica } from "./replica.svelte.js";

/** How the copy stands to the server. */
export type Link = "connecting" | "live" | "lost";

export interface FeedOptions {
  readonly replica: Replica;
  /** Opens the feed of these parts where the copy is. */
  readonly watch: (parts: readonly Part[], signal: AbortSignal) => AsyncIterable<WatchResponse>;
  /** Waits until what people see first has been shown, or could have been. */
  readonly shown: () => Promise<void>;
  /** Told of each message when the copy has taken it. */
  readonly onMessage?: (message: WatchResponse) => void;
  readonly onLink: (link: Link) => void;
  /** Waits; ends early when there is reason to try at once. */
  readonly pause: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** With what the server refuses a caller who is another than the one the feed was made for: nobody, or one of other rights. */
const otherCaller: ReadonlySet<Reason> = new Set([Reason.UNAUTHENTICATED, Reason.PERMISSION_DENIED, Reason.SELECTOR_INVALID]);

const firstPause = 300;
const longestPause = 15_000;

/**
 * Keeps the copy in step until the signal ends it: it opens the feed where the copy is, takes what comes, and begins again
 * after every end, later and later while nothing comes. A copy in which there is nothing yet is first filled with what people see first;
 * the call that has the rest, too, begins when that is shown. It returns when the server no longer knows the caller, or grants other
 * rights than before.
 */
export async function follow(options: FeedOptions, signal: AbortSignal): Promise<void> {
  const { replica } = options;
  let pause = firstPause;
  options.onLink("connecting");
  while (!signal.aborted) {
    const filling = !replica.ready;
    const call = new AbortController();
    try {
      replica.begin();
      for await (const message of options.watch(filling ? ["first"] : parts, AbortSignal.any([signal, call.signal]))) {
        for (const update of message.updates) replica.apply(update);
        options.onMessage?.(message);
        pause = firstPause;
        if (replica.ready) options.onLink("live");
        if (filling && replica.ready) break;
      }
    } catch (error) {
      const reason = faultOf(error)?.reason;
      if (signal.aborted || (reason !== undefined && otherCaller.has(reason))) return;
      if (reason === Reason.BOOKMARK_EXPIRED) {
        replica.restart();
        continue;
      }
    } finally {
      call.abort();
    }
    if (signal.aborted) return;
    if (filling && replica.ready) {
      await options.shown();
      continue;
    }
    options.onLink("lost");
    await options.pause(pause * (0.75 + Math.random() / 2), signal);
    pause = Math.min(pause * 2, longestPause);
  }
}
