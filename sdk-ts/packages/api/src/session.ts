import { type Interceptor, type Transport, type UnaryResponse, type StreamResponse } from "@connectrpc/connect";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { AccountService, Session_Client, type Session } from "@hearthos/api/hearth/accounts/v1/accounts_pb";
import { Reason } from "@hearthos/api/hearth/meta/v1/fault_pb";
import { createHearth, type Hearth } from "./client.js";
import { faultOf } from "./fault.js";
import { halfHeader, kept, storageKey, type Kept, type KeyValues } from "./kept.js";

export interface BrowserOptions {
  /** Where the page's half of the secret is kept; localStorage when not given. */
  readonly storage?: KeyValues;
  /** Called when the server no longer knows the session: it ended, or was ended elsewhere. */
  readonly onEnd?: () => void;
  /** The time in milliseconds; for tests. */
  readonly now?: () => number;
}

export interface Credentials {
  /** May be left out while the server has one account. */
  readonly account?: string;
  readonly password: string;
  /** Whether the session outlives the browser. Without it, it ends when the browser is closed. */
  readonly lasting?: boolean;
}

/** The secrets are not rotated more often, whatever the clock of this machine says. */
const leastRotation = 60 * 60 * 1000;

/**
 * A session of a browser. Half of its secret is a cookie that no script sees; the other half is here and goes with every
 * call. Tabs of one origin share it.
 */
export class BrowserSession {
  readonly #hearth: Hearth;
  readonly #storage: KeyValues;
  readonly #onEnd: () => void;
  readonly #now: () => number;
  #rotating: Promise<void> | undefined;

  /** @internal Made by createBrowserClient. */
  constructor(connect: (interceptors: Interceptor[]) => Transport, options: BrowserOptions) {
    this.#storage = options.storage ?? localStorage;
    this.#onEnd = options.onEnd ?? (() => undefined);
    this.#now = options.now ?? Date.now;
    this.#hearth = createHearth(connect([this.#send]));
  }

  /** Whether there is a session as far as this page knows. */
  get active(): boolean {
    return this.#kept() !== undefined;
  }

  /** Opens a session with a password, in place of the one there is. */
  async login(credentials: Credentials): Promise<Session | undefined> {
    const { account = "", password, lasting = false } = credentials;
    const opened = await this.#hearth.accounts.login({ account, password, lasting, client: Session_Client.BROWSER });
    this.#keep(opened.secret, opened.rotateTime);
    return opened.session;
  }

  /** Ends the session on the server, then forgets it here. When it throws the session goes on. */
  async logout(): Promise<void> {
    if (!this.active) return;
    try {
      await this.#hearth.accounts.logout({});
    } catch (error) {
      if (faultOf(error)?.reason !== Reason.UNAUTHENTICATED) throw error; // then there is none to end
    }
    this.#storage.removeItem(storageKey);
  }

  /** Gives the session new secrets if it is time to. Every call does so by itself. */
  async rotate(): Promise<void> {
    const due = () => (this.#kept()?.rotate ?? Infinity) <= this.#now();
    if (!due()) return;
    this.#rotating ??= alone(async () => {
      if (!due()) return; // another tab has done it
      const fresh = await this.#hearth.accounts.rotateSession({});
      this.#keep(fresh.secret, fresh.rotateTime);
    }).finally(() => (this.#rotating = undefined));
    await this.#rotating;
  }

  /** @internal Adds the half to calls, and notices when it no longer counts. */
  get interceptor(): Interceptor {
    return (next) => {
      const send = this.#send(next);
      return async (request) => {
        // A rotation that fails is tried again with the next call: the secrets there are still count.
        await this.rotate().catch(() => undefined);
        return send(request);
      };
    };
  }

  readonly #send: Interceptor = (next) => async (request) => {
    const opens = request.service.typeName === AccountService.typeName && request.method.name === AccountService.method.login.name;
    const half = this.#kept()?.half;
    if (opens || half === undefined) return next(request);
    request.header.set(halfHeader, half);
    try {
      return this.#watched(await next(request), half);
    } catch (error) {
      this.#notice(error, half);
      throw error;
    }
  };

  /** Notices the end of the session also while an answer streams. */
  #watched(response: UnaryResponse | StreamResponse, half: string): UnaryResponse | StreamResponse {
    if (!response.stream) return response;
    const notice = (error: unknown) => this.#notice(error, half);
    const inner = response.message;
    return {
      ...response,
      message: (async function* () {
        try {
          yield* inner;
        } catch (error) {
          notice(error);
          throw error;
        }
      })(),
    };
  }

  #notice(error: unknown, half: string): void {
    if (faultOf(error)?.reason !== Reason.UNAUTHENTICATED || this.#kept()?.half !== half) return;
    this.#storage.removeItem(storageKey);
    this.#onEnd();
  }

  #kept(): Kept | undefined {
    return kept(this.#storage);
  }

  #keep(half: string, at: Timestamp | undefined): void {
    const rotate = Math.max(at === undefined ? 0 : timestampMs(at), this.#now() + leastRotation);
    this.#storage.setItem(storageKey, JSON.stringify({ half, rotate } satisfies Kept));
  }
}

/** Runs work while no other tab of the origin runs its own, where the browser can tell. */
function alone(work: () => Promise<void>): Promise<void> {
  const locks = typeof navigator === "undefined" ? undefined : (navigator as { locks?: LockManager }).locks;
  return locks === undefined ? work() : locks.request(storageKey, work).then(() => undefined);
}

/**
 * Makes the client of a page that people log in to, and their session. The transport leads to the page's own origin: the
 * server refuses calls from elsewhere.
 * @example
 * const { hearth, session } = createBrowserClient((interceptors) =>
 *   createConnectTransport({ baseUrl: location.origin, interceptors }));
 * await session.login({ password });
 * await hearth.packages.listPackages({});
 * await session.logout();
 */
export function createBrowserClient(
  connect: (interceptors: Interceptor[]) => Transport,
  options: BrowserOptions = {},
): { readonly hearth: Hearth; readonly session: BrowserSession } {
  const session = new BrowserSession(connect, options);
  return { hearth: createHearth(connect([session.interceptor])), session };
}
