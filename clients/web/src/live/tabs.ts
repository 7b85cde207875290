import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ChangeSchema, ResourceSchema, UpdateSchema, Update_Phase, WatchResponseSchema, type WatchResponse } from "@hearthos/api/hearth/state/v1/state_pb";
import type { Link } from "./feed.js";
import { kindCases } from "./cases.js";
import type { Replica } from "./replica.svelte.js";

/** What tabs tell each other. */
type Said =
  | { readonly say: "hello" }
  | { readonly say: "link"; readonly link: Link }
  | { readonly say: "all" | "some"; readonly bytes: Uint8Array };

export interface TabsOptions {
  readonly replica: Replica;
  /** Runs the feed; the tab that has the word passes on what comes by `tell`. */
  readonly lead: (tell: (message: WatchResponse) => void, signal: AbortSignal) => Promise<void>;
  readonly onLink: (link: Link) => void;
  readonly name?: string;
  readonly locks?: LockManager | undefined;
  readonly channel?: BroadcastChannel | undefined;
}

/** How often the leading tab says that it is there, and after which silence another takes its place. */
const beat = 4000;
const silence = 15_000;

/**
 * Shares one feed among the tabs of an origin: one leads, has the feed and passes on what comes; the others take it from
 * there. When the leading tab closes, or falls silent, another leads and goes on at its own bookmark.
 */
export class Tabs {
  readonly #options: TabsOptions;
  readonly #channel: BroadcastChannel | undefined;
  readonly #life = new AbortController();
  #link: Link = "connecting";
  #leading = false;
  #heard = Date.now();

  constructor(options: TabsOptions) {
    this.#options = options;
    this.#channel = options.channel ?? (typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(options.name ?? "hearth-feed"));
    this.#channel?.addEventListener("message", (event: MessageEvent<Said>) => this.#hear(event.data));
    void this.#run();
  }

  /** Ends this tab's part. */
  close(): void {
    this.#life.abort();
    this.#channel?.close();
  }

  async #run(): Promise<void> {
    const locks = "locks" in this.#options ? this.#options.locks : navigator.locks;
    if (locks === undefined || this.#channel === undefined) return this.#lead(this.#life.signal);
    const timer = setInterval(() => this.#tick(locks), beat);
    this.#life.signal.addEventListener("abort", () => clearInterval(timer));
    this.#say({ say: "hello" });
    await this.#stand(locks, { signal: this.#life.signal });
  }

  /** Leads when it is this tab's turn, and stands again when another has taken its place. */
  async #stand(locks: LockManager, how: LockOptions): Promise<void> {
    while (!this.#life.signal.aborted) {
      const turn = new AbortController();
      try {
        await locks.request(this.#options.name ?? "hearth-feed", how, async () => {
          await this.#lead(AbortSignal.any([this.#life.signal, turn.signal]));
        });
        return;
      } catch {
        turn.abort(); // another tab took the place, or this one ends
        how = { signal: this.#life.signal };
      }
    }
  }

  async #lead(signal: AbortSignal): Promise<void> {
    this.#leading = true;
    try {
      await this.#options.lead((message) => this.#say({ say: "some", bytes: toBinary(WatchResponseSchema, message) }), signal);
    } finally {
      this.#leading = false;
    }
  }

  #tick(locks: LockManager): void {
    if (this.#leading) this.#say({ say: "link", link: this.#link });
    else if (Date.now() - this.#heard > silence && document.visibilityState === "visible") {
      this.#heard = Date.now();
      void this.#stand(locks, { steal: true });
    }
  }

  /** Called by who leads, with how the copy stands. */
  link(link: Link): void {
    if (link === this.#link) return;
    this.#link = link;
    this.#options.onLink(link);
    if (this.#leading) this.#say({ say: "link", link });
  }

  #say(said: Said): void {
    if (!this.#life.signal.aborted) this.#channel?.postMessage(said);
  }

  #hear(said: Said): void {
    if (said.say === "hello") {
      if (!this.#leading || !this.#options.replica.ready) return;
      this.#say({ say: "all", bytes: toBinary(WatchResponseSchema, everything(this.#options.replica)) });
      this.#say({ say: "link", link: this.#link });
      return;
    }
    if (this.#leading) return;
    this.#heard = Date.now();
    const { replica } = this.#options;
    if (said.say === "link") {
      if (said.link !== "live" || replica.ready) this.link(said.link);
      return;
    }
    if (said.say === "all" && replica.ready) return; // meant for another
    if (said.say === "some" && !replica.ready) {
      const message = fromBinary(WatchResponseSchema, said.bytes);
      if (message.updates[0]?.phase !== Update_Phase.SNAPSHOT) return; // changes of what this tab does not have yet
      for (const update of message.updates) replica.apply(update);
      return;
    }
    for (const update of fromBinary(WatchResponseSchema, said.bytes).updates) replica.apply(update);
  }
}

/** The copy as the feed would send it. */
export function everything(replica: Replica): WatchResponse {
  const changes = [...replica.dump()].map(({ kind, id, row, ephemeral }) =>
    create(ChangeSchema, {
      kind,
      id,
      revision: ephemeral ? 0n : (row.meta?.revision ?? 1n) || 1n,
      resource: create(ResourceSchema, { kind: { case: kindCases[kind], value: row } as never }),
    }),
  );
  return create(WatchResponseSchema, {
    updates: [create(UpdateSchema, { phase: Update_Phase.SNAPSHOT, changes, bookmark: replica.bookmark, revision: replica.revision, bootId: "copied" })],
  });
}
