import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { callEarly, fetchOrTake, keepFeed } from "./early.js";

const origin = "https://server:8443";
const watch = `${origin}/hearth.state.v1.StateService/Watch`;
const request = new Uint8Array([1, 2, 3]);
const enveloped = new Uint8Array([0, 0, 0, 0, 3, 1, 2, 3]);

let kept: Map<string, string>;
/** What was sent, and how it ends. */
let sent: { url: string; init: RequestInit }[];
let held: { name: string }[];

beforeEach(() => {
  vi.useFakeTimers();
  [kept, sent, held] = [new Map(), [], []];
  vi.stubGlobal("location", { origin });
  vi.stubGlobal("localStorage", { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) });
  vi.stubGlobal("navigator", { locks: { query: () => Promise.resolve({ held }) } });
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    sent.push({ url, init });
    return Promise.resolve(new Response(String(sent.length)));
  });
});
afterEach(() => {
  vi.advanceTimersByTime(60_000); // what nobody has asked for is given up
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const session = (rotate = Date.now() + 1000) => kept.set("hearth-session", JSON.stringify({ half: "half", rotate }));
const ask = async (url: string, body: Uint8Array<ArrayBuffer>, half = "half", signal?: AbortSignal) =>
  (await fetchOrTake(url, { method: "POST", headers: { "hearth-session": half }, body, ...(signal ? { signal } : {}) })).text();

test("a call that was made early is answered once by what has come, and made anew the next time", async () => {
  session();
  callEarly();
  const url = `${origin}/hearth.accounts.v1.AccountService/GetCaller`;
  expect(sent.map((one) => one.url)).toEqual([url, `${origin}/hearth.system.v1.SystemService/GetServer`]);
  expect(new Headers(sent[0]!.init.headers).get("hearth-session")).toBe("half");
  expect(await ask(url, new Uint8Array())).toBe("1");
  expect(await ask(url, new Uint8Array())).toBe("3");
});

test("the feed is begun as it was the last time, and taken by the same request with the same secret alone", async () => {
  session();
  keepFeed(request);
  callEarly();
  await vi.waitFor(() => expect(sent).toHaveLength(3));
  expect(sent[2]).toMatchObject({ url: watch, init: { body: enveloped } });
  expect(await ask(watch, enveloped, "another")).toBe("4");
  expect(await ask(watch, new Uint8Array([0, 0, 0, 0, 0]))).toBe("5");
  const ends = new AbortController();
  expect(await ask(watch, enveloped, "half", ends.signal)).toBe("3");
  ends.abort();
  expect(sent[2]!.init.signal?.aborted).toBe(true);
});

test("what another tab will tell is not asked for", async () => {
  session();
  keepFeed(request);
  held = [{ name: "hearth-feed " }];
  callEarly();
  await vi.advanceTimersByTimeAsync(100);
  expect(sent).toHaveLength(2);
});

test("nothing is called early without a session, nor where its secret is to be replaced first", () => {
  callEarly();
  session(Date.now() - 1);
  callEarly();
  expect(sent).toEqual([]);
});

test("what nobody asks for is given up", () => {
  session();
  callEarly();
  vi.advanceTimersByTime(20_000);
  expect(sent.every(({ init }) => init.signal?.aborted)).toBe(true);
});
