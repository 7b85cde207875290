import { createBrowserClient, faultOf } from "@hearthos/api/client";
import { Reason } from "@hearthos/api/hearth/meta/v1/fault_pb";
import { PackageService } from "@hearthos/api/hearth/packages/v1/packages_pb";
import { RegistryService } from "@hearthos/api/hearth/registries/v1/registries_pb";
import { WatchRequestSchema } from "@hearthos/api/hearth/state/v1/state_pb";
import { create, toBinary } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { fetchOrTake, keepFeed } from "../early.js";
import { whenIdle } from "../ui/idle.js";
import { feedName, isOther } from "./build.js";
import { follow, type Link } from "./feed.js";
import { Measured } from "./measured.js";
import { Replica, kinds, partOf, type Kinds, type Part } from "./replica.svelte.js";
import { Tabs } from "./tabs.js";
import { plainly } from "../ui/plain.js";
import { proving } from "../ui/prove.svelte.js";
import type { Role } from "@hearthos/api/hearth/options/v1/options_pb";

/** What the page knows of the server. */
export const replica = new Replica();

/** What services and the machine used lately, as far as this page has seen it. */
export const measured = new Measured();
replica.onRow = (kind, id, row) => {
  if (kind === "usage") measured.service(id, (row as Kinds["usage"] | undefined)?.status);
  else if (kind === "serverusage") measured.server((row as Kinds["serverusage"] | undefined)?.status);
  else if (kind === "package" && row === undefined) measured.forget(id);
};

/** Who uses the page, as the server sees it. */
export interface Caller {
  readonly account: string;
  readonly role: Role;
  readonly version: string;
  readonly tag: string;
}

interface Identified {
  readonly caller: Caller;
  /** The kinds that the caller may read. */
  readonly readable: readonly string[];
}

/** After how many milliseconds the feed is opened anew where the server has ended it for who the caller is. */
const again = 1000;

class Live {
  link = $state<Link>("connecting");
  caller = $state.raw<Caller | undefined>();
  /** Whether there is a session as far as is known here. */
  active = $state(false);
  /** A version of the server that is not the one this page came with. */
  other = $state("");
  #tabs: Tabs | undefined;
  #readable: readonly string[] = [];
  #beginning: Promise<void> | undefined;
  #wake = new EventTarget();
  #stream: AbortController | undefined;

  constructor() {
    this.active = session.active;
    addEventListener("online", () => this.#nudge());
    let hidden = 0;
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") hidden = Date.now();
      else if (hidden > 0 && Date.now() - hidden > 30_000) this.#nudge();
    });
    // A page that the browser keeps for the way back must not hold the feed; it takes its part again when it is shown.
    addEventListener("pagehide", () => this.#tabs?.close());
    addEventListener("pageshow", (event) => event.persisted && this.active && this.#share());
    addEventListener("storage", (event) => {
      if (event.key !== "hearth-session" || session.active === this.active) return;
      if (session.active) location.reload();
      else this.ended();
    });
  }

  /** Asks who the caller is and begins to follow the feed, once for all who call meanwhile. It throws what the server refuses with. */
  begin(): Promise<void> {
    return (this.#beginning ??= this.#begin().finally(() => (this.#beginning = undefined)));
  }

  async #begin(): Promise<void> {
    this.#take(await this.#identify());
    this.active = true;
    this.#share();
  }

  /** Asks who the caller is, and what may be read. */
  async #identify(): Promise<Identified> {
    const [{ account, role }, { kinds: readable, version, tag }] = await Promise.all([hearth.accounts.getCaller({}), hearth.system.getServer({})]);
    return { caller: { account, role, version, tag }, readable };
  }

  #take({ caller, readable }: Identified): void {
    this.caller = caller;
    this.#readable = kinds.filter((kind) => readable.includes(kind));
  }

  #share(): void {
    this.#tabs?.close();
    const tabs: Tabs = new Tabs({
      name: feedName,
      replica,
      onLink: (link) => this.#linked(link),
      lead: (tell, signal): Promise<void> => this.#lead(tabs, tell, signal),
    });
    this.#tabs = tabs;
  }

  async #lead(tabs: Tabs, tell: Parameters<ConstructorParameters<typeof Tabs>[0]["lead"]>[0], signal: AbortSignal): Promise<void> {
    const options = {
      replica,
      onMessage: tell,
      onLink: (link: Link) => tabs.link(link),
      pause: (milliseconds: number, until: AbortSignal) => this.#pause(milliseconds, until),
      shown: () => whenIdle(),
      watch: (parts: readonly Part[], until: AbortSignal) => {
        this.#stream = new AbortController();
        const ends = AbortSignal.any([until, this.#stream.signal]);
        const targets = parts.map((part) => ({
          id: part,
          bookmark: replica.bookmark(part),
          selectors: this.#readable.filter((kind) => partOf(kind) === part).map((kind) => ({ kind })),
        }));
        const request = create(WatchRequestSchema, { targets });
        if (!replica.ready) keepFeed(toBinary(WatchRequestSchema, request));
        return hearth.state.watch(request, { signal: ends, timeoutMs: 0 });
      },
    };
    // The session that the feed was opened with has ended, and there may be another in its place; or its rights are others.
    for (;;) {
      await follow(options, signal);
      if (signal.aborted || !session.active) return;
      await this.#compare();
      await this.#pause(again, signal);
    }
  }

  #linked(link: Link): void {
    const back = this.link !== "live" && link === "live";
    this.link = link;
    if (back) void this.settled().then(() => this.#compare());
  }

  /**
   * Whoever asks when the feed is open is told by its end of what changes later. Until then the caller's rights may have become others,
   * of which the whole copy is made anew, and the server another release than the one this page came with: while a connection was
   * lost, and before a worker opened the page from what it keeps.
   */
  async #compare(): Promise<void> {
    const before = this.caller;
    try {
      const [{ caller, readable }, other] = await Promise.all([this.#identify(), isOther()]);
      if (before === undefined || before !== this.caller) return; // who was compared with has gone
      if (other || caller.version !== before.version) this.other = caller.version;
      if (caller.account === before.account && caller.role === before.role) return;
      this.#take({ caller: { ...caller, version: before.version }, readable });
      replica.clear();
      this.#share();
    } catch {
      // the feed tells when the server is away
    }
  }

  /** Tries at once, and does not trust a connection from before: the machine may have slept. */
  #nudge(): void {
    this.#stream?.abort();
    this.#wake.dispatchEvent(new Event("wake"));
  }

  #pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wake.removeEventListener("wake", done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      this.#wake.addEventListener("wake", done);
      signal.addEventListener("abort", done);
    });
  }

  /** Resolves when nothing more urgent is on its way: all of the copy is there, or it cannot come now. */
  async settled(): Promise<void> {
    await new Promise<void>((resolve) => {
      const end = $effect.root(() => {
        $effect(() => {
          if (this.active && !replica.whole && this.link !== "lost") return;
          resolve();
          queueMicrotask(() => end());
        });
      });
    });
    await whenIdle();
  }

  /** Forgets what belongs to a session that has ended. */
  ended(): void {
    this.#tabs?.close();
    this.#tabs = undefined;
    this.active = false;
    this.caller = undefined;
    replica.clear();
  }
}

/** What a change has done is in the copy before whoever made it goes on. */
const settle: Interceptor = (next) => async (request) => {
  const response = await next(request);
  if (!response.stream && request.method.idempotency !== MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS) {
    const revision = response.header.get("hearth-revision");
    if (revision !== null && /^\d+$/.test(revision) && replica.ready) await replica.reached(BigInt(revision));
  }
  return response;
};

/** What registries say of their packages, and what a plan says of one, cannot be written backwards. */
const legible: Interceptor = (next) => async (request) => {
  const response = await next(request);
  if (!response.stream && [RegistryService.typeName, PackageService.typeName].includes(request.service.typeName)) plainly(response.message);
  return response;
};

/** What wants a fresh proof of who calls is done again once the person has given it. */
const proven: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch (error) {
    if (request.stream || faultOf(error)?.reason !== Reason.STEP_UP_REQUIRED || !(await proving.ask())) throw error;
    return next(request);
  }
};

export const { hearth, session } = createBrowserClient(
  (interceptors) => createConnectTransport({ baseUrl: location.origin, useBinaryFormat: true, fetch: fetchOrTake, interceptors: [legible, settle, proven, ...interceptors] }),
  { onEnd: () => live.ended() },
);

export const live = new Live();

/** Proves with the password who calls: the session that follows takes the place of the one there was. */
export async function prove(password: string): Promise<void> {
  const { sessions } = await hearth.accounts.listSessions({});
  const before = sessions.find(({ current }) => current);
  await session.login({ account: live.caller?.account ?? "", password, lasting: before?.lasting ?? true });
  if (before) await hearth.accounts.deleteSession({ id: before.id });
}

/** Whether an error says that the server could not be reached, rather than that it refused. */
export function unreachable(error: unknown): boolean {
  const reason = faultOf(error)?.reason;
  return reason === undefined || reason === Reason.SERVER_STARTING || reason === Reason.UNAVAILABLE;
}
