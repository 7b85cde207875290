import { halfHeader, kept } from "@hearthos/api/kept";
import { feedName } from "./live/build.js";

/** A call that was made before the page's code was there. */
interface Early {
  readonly url: string;
  readonly half: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly answer: Promise<Response>;
  readonly ends: AbortController;
}

const calls = new Set<Early>();
const feedKey = "hearth-feed";
/** For how long the answer to a call is held that nobody has asked for, in milliseconds. */
const patience = 20_000;

function call(path: string, type: string, half: string, body: Uint8Array<ArrayBuffer>): void {
  const [url, ends] = [location.origin + path, new AbortController()];
  const headers = { "content-type": type, "connect-protocol-version": "1", [halfHeader]: half };
  const answer = fetch(url, { method: "POST", redirect: "error", headers, body, signal: ends.signal });
  answer.catch(() => undefined); // who takes it hears of it
  const early: Early = { url, half, body, answer, ends };
  calls.add(early);
  setTimeout(() => {
    if (calls.delete(early)) ends.abort();
  }, patience);
}

/** Whether another tab has the feed, and will tell this one. */
async function told(): Promise<boolean> {
  const { held = [] } = (await (navigator.locks as LockManager | undefined)?.query()) ?? {};
  return held.some(({ name }) => name === feedName);
}

/**
 * Makes the calls that the page of somebody who is logged in begins with: who calls, what server it is, and the feed as it was begun the
 * last time. They are answered while the code is still on its way. Nothing is made of the answers here: the page makes the same calls, and
 * gets what has come. Where the secret is to be replaced first nothing is called early.
 */
export function callEarly(): void {
  const session = kept(localStorage);
  if (session === undefined || session.rotate <= Date.now()) return;
  const { half } = session;
  for (const path of ["/hearth.accounts.v1.AccountService/GetCaller", "/hearth.system.v1.SystemService/GetServer"]) call(path, "application/proto", half, new Uint8Array());
  const feed = localStorage.getItem(feedKey);
  if (feed === null) return;
  const body = Uint8Array.from(feed, (character) => character.charCodeAt(0));
  void told().then((another) => another || call("/hearth.state.v1.StateService/Watch", "application/connect+proto", half, body));
}

/** Keeps how the feed is begun where there is nothing yet, for the next visit: a request as it is written. */
export function keepFeed(request: Uint8Array): void {
  const head = new Uint8Array(5);
  new DataView(head.buffer).setUint32(1, request.length); // an envelope of Connect: no flags, and the length
  try {
    localStorage.setItem(feedKey, String.fromCharCode(...head, ...request));
  } catch {
    // there is no room: the next visit begins a little later
  }
}

/** Like fetch, but for a call that was made early: its answer is that of the first who makes the same one with the same secret. */
export const fetchOrTake: typeof fetch = (input, init) => {
  const same = ({ url, half, body }: Early) =>
    url === input && init?.body instanceof Uint8Array && new Headers(init.headers).get(halfHeader) === half && equal(body, init.body);
  const early = [...calls].find(same);
  if (early === undefined) return fetch(input, init);
  calls.delete(early);
  const { signal } = init ?? {};
  const end = () => early.ends.abort(signal?.reason);
  if (signal?.aborted) end();
  else signal?.addEventListener("abort", end);
  return early.answer;
};

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);
