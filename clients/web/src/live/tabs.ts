import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ChangeSchema, ResourceSchema, UpdateSchema, Update_Phase, WatchResponseSchema, type Change, type WatchResponse } from "@hearthos/api/hearth/state/v1/state_pb";
import type { Link } from "./feed.js";
import { kindCases } from "./cases.js";
import { partOf, parts, type Part, type Replica } from "./replica.svelte.js";

/** Where the copy of who leads is: whose time it is, later ones being greater, and how much was told in it. */
interface Place {
  readonly reign: number;
  readonly told: number;
}

/** What tabs tell each other: that they lack something, that somebody leads, all there is, or what has changed since. */
type Said =
  | { readonly say: "hello" }
  | (Place & { readonly say: "here"; readonly link: Link })
  | (Place & { readonly say: "all" | "some"; readonly bytes: Uint8Array });

export interface TabsOptions {
  readonly replica: Replica;
  /** Runs the feed; the tab that has the word passes on by `tell` what its copy has just taken. */
  readonly lead: (tell: (message: WatchResponse) => void, signal: AbortSignal) => Promise<void>;
  readonly onLink: (link: Link) => void;
  /** Whose feed it is: tabs of another name have their own. */
  readonly name: string;
  readonly locks?: LockManager | undefined;
  readonly channel?: BroadcastChannel | undefined;
  readonly visible?: () => boolean;
}

/** How often the leading tab says that it is there. */
export const beat = 2000;
/** After how many silent beats another takes its place: soon for a tab that has nothing to show, later for one that has. */
const silent = { empty: 1, ready: 5 };

/**
 * Shares one feed among the tabs of an origin that have the same name: one leads, has the feed and passes on what comes; the others take it from
 * there. A tab takes only what follows what it has, and asks for the whole copy otherwise. When the leading tab closes, or
 * falls silent, another leads and goes on at its own bookmark; what the earlier one may still say counts no more.
 */
export class Tabs {
  readonly #options: TabsOptions;
  readonly #name: string;
  readonly #channel: BroadcastChannel | undefined;
  readonly #life = new AbortController();
  #standing = new AbortController();
  #link: Link = "connecting";
  #leading = false;
  /** Where this tab's own copy is, whether it leads or follows. */
  #place: Place = { reign: 0, told: 0 };
  #quiet = 0;
  /** Set while others wait for the copy. */
  #asked: ReturnType<typeof setTimeout> | undefined;

  constructor(options: TabsOptions) {
    this.#options = options;
    this.#name = options.name;
    this.#channel = options.channel ?? (typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(this.#name));
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
    await this.#stand(locks, false);
  }

  /** Leads when it is this tab's turn, or at once, and stands again when another has taken its place. */
  async #stand(locks: LockManager, now: boolean): Promise<void> {
    this.#standing.abort();
    const standing = (this.#standing = new AbortController());
    const ends = AbortSignal.any([this.#life.signal, standing.signal]);
    while (!ends.aborted) {
      const turn = new AbortController();
      try {
        await locks.request(this.#name, now ? { steal: true } : { signal: ends }, () => this.#lead(AbortSignal.any([this.#life.signal, turn.signal])));
        return;
      } catch {
        turn.abort(); // another tab took the place, or this one ends
        now = false;
      }
    }
  }

  async #lead(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#leading = true;
    this.#place = { reign: Math.max(Date.now(), this.#place.reign + 1), told: 0 };
    signal.addEventListener("abort", () => this.#follow());
    this.#tellLink();
    try {
      await this.#options.lead((message) => this.#tell(message, signal), signal);
    } finally {
      this.#leading = false;
    }
  }

  /** Another leads from now on; where its copy is must be heard first. */
  #follow(): void {
    this.#leading = false;
    this.#quiet = 0;
    this.#say({ say: "hello" });
  }

  #tick(locks: LockManager): void {
    if (this.#leading) return this.#tellLink();
    const patience = this.#options.replica.ready ? silent.ready : silent.empty;
    if (this.#quiet++ < patience || !this.#visible()) return;
    this.#quiet = 0;
    void this.#stand(locks, true);
  }

  #visible(): boolean {
    return this.#options.visible?.() ?? document.visibilityState === "visible";
  }

  /** Called by who leads, with how the copy stands. */
  link(link: Link): void {
    if (link === this.#link) return;
    this.#link = link;
    this.#options.onLink(link);
    if (this.#leading) this.#tellLink();
  }

  #say(said: Said): void {
    if (!this.#life.signal.aborted) this.#channel?.postMessage(said);
  }

  #tellLink(): void {
    this.#say({ say: "here", ...this.#place, link: this.#link });
  }

  /**
   * Tells the whole copy, if it is whole, once to all who ask together. Nobody is told who did not ask: mostly there is one tab, and
   * writing the copy down takes long on a slow device.
   */
  #tellAll(): void {
    this.#asked ??= setTimeout(() => {
      this.#asked = undefined;
      if (!this.#leading) return;
      const { replica } = this.#options;
      if (replica.ready && !replica.gathering) this.#say({ say: "all", ...this.#place, bytes: toBinary(WatchResponseSchema, everything(replica)) });
      this.#tellLink();
    });
  }

  /** Passes on changes as they come; of a snapshot, when it is complete, that there is one. Who lacks it asks for the copy. */
  #tell(message: WatchResponse, signal: AbortSignal): void {
    if (signal.aborted) return;
    const { replica } = this.#options;
    if (replica.gathering) return;
    this.#place = { reign: this.#place.reign, told: this.#place.told + 1 };
    if (message.updates.some((update) => update.phase === Update_Phase.SNAPSHOT)) this.#tellLink();
    else this.#say({ say: "some", ...this.#place, bytes: toBinary(WatchResponseSchema, message) });
  }

  #hear(said: Said): void {
    if (this.#life.signal.aborted) return;
    if (said.say === "hello") {
      if (this.#leading) this.#tellAll();
      return;
    }
    if (this.#leading || said.reign < this.#place.reign) return;
    this.#quiet = 0;
    const same = said.reign === this.#place.reign;
    if (said.say === "here") {
      if (!same || said.told !== this.#place.told) this.#say({ say: "hello" });
      if (said.link !== "live" || this.#options.replica.ready) this.link(said.link);
      return;
    }
    if (same && said.told <= this.#place.told) return; // for another tab, which lacked it
    if (said.say === "some" && (!same || said.told !== this.#place.told + 1)) return this.#say({ say: "hello" });
    this.#options.replica.begin();
    for (const update of fromBinary(WatchResponseSchema, said.bytes).updates) this.#options.replica.apply(update);
    this.#place = { reign: said.reign, told: said.told };
  }
}

/** The copy as the feed would send it: those parts of it that are there. */
export function everything(replica: Replica): WatchResponse {
  const told: Record<Part, Change[]> = { first: [], rest: [] };
  for (const { kind, id, row, ephemeral } of replica.dump()) {
    told[partOf(kind)].push(
      create(ChangeSchema, {
        kind,
        id,
        revision: ephemeral ? 0n : (row.meta?.revision ?? 1n) || 1n,
        resource: create(ResourceSchema, { kind: { case: kindCases[kind], value: row } as never }),
      }),
    );
  }
  const there = parts.filter((part) => replica.bookmark(part) !== "");
  return create(WatchResponseSchema, {
    updates: there.map((part) =>
      create(UpdateSchema, {
        targets: [part], phase: Update_Phase.SNAPSHOT, changes: told[part], bookmark: replica.bookmark(part), revision: replica.revision, bootId: "copied",
      }),
    ),
  });
}
