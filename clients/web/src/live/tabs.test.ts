import { create } from "@bufbuild/protobuf";
import { WatchResponseSchema, type WatchResponse } from "@hearthos/api/hearth/state/v1/state_pb";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Replica } from "./replica.svelte.js";
import { changes, snapshot, written } from "./said.testing.js";
import { beat, Tabs } from "./tabs.js";

/** Locks as browsers have them, for one name: the first who asks has it until its work ends, or another takes it. */
class Locks {
  #queue: { work: () => Promise<unknown>; resolve: (value: unknown) => void; reject: (error: unknown) => void }[] = [];
  #lost: ((error: unknown) => void) | undefined;
  request(_name: string, how: LockOptions, work: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const asked = { work, resolve, reject };
      how.signal?.addEventListener("abort", () => {
        this.#queue = this.#queue.filter((other) => other !== asked);
        reject(new DOMException("ended", "AbortError"));
      });
      if (how.steal) {
        this.#lost?.(new DOMException("stolen", "AbortError"));
        this.#queue.unshift(asked);
        this.#next();
      } else {
        this.#queue.push(asked);
        if (this.#lost === undefined) this.#next();
      }
    });
  }
  #next(): void {
    const asked = this.#queue.shift();
    this.#lost = asked?.reject;
    if (asked === undefined) return;
    const done = () => this.#lost === asked.reject && this.#next();
    void Promise.resolve().then(asked.work).then(asked.resolve, asked.reject).then(done);
  }
}

interface Tab {
  readonly replica: Replica;
  readonly tabs: Tabs;
  leads: boolean;
  link: string;
  /** What the server says to this tab. */
  say: (message: WatchResponse) => void;
}

const open: Tab[] = [];
beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => {
  for (const { tabs } of open.splice(0)) tabs.close();
  vi.useRealTimers();
});

function tab(locks: Locks, name: string): Tab {
  const replica = new Replica();
  const made: Tab = {
    replica,
    leads: false,
    link: "",
    say: () => undefined,
    tabs: new Tabs({
      replica,
      name,
      locks: locks as unknown as LockManager,
      visible: () => true,
      onLink: (link) => (made.link = link),
      lead: (tell, signal) => {
        made.leads = true;
        made.say = (message) => {
          for (const update of message.updates) replica.apply(update);
          tell(message);
        };
        return new Promise((resolve) =>
          signal.addEventListener("abort", () => {
            made.leads = false;
            resolve();
          }),
        );
      },
    }),
  };
  open.push(made);
  return made;
}
// Where others work beside it a message between tabs may take its time.
vi.setConfig({ testTimeout: 60_000 });
const until = (true_: () => boolean) => expect.poll(true_, { timeout: 30_000 }).toBe(true);
const message = (...updates: WatchResponse["updates"]) => create(WatchResponseSchema, { updates });

test("one tab has the feed, the others are in step with it, and another takes over when it goes", async () => {
  const locks = new Locks();
  const first = tab(locks, "a");
  await until(() => first.leads);
  first.say(message(snapshot([written("one", 1n)], "mark", 1n)));

  const second = tab(locks, "a");
  await until(() => second.replica.ready);
  expect(second.leads).toBe(false);
  expect(second.replica.list("package")).toHaveLength(1);

  first.say(message(changes([written("two", 2n)], "next", 2n)));
  await until(() => second.replica.list("package").length === 2);

  first.tabs.close();
  await until(() => second.leads);
  expect(second.replica.bookmark("first")).toBe("next");
});

test("the copy is written down for those who ask, and for nobody else", async () => {
  const locks = new Locks();
  const post = vi.spyOn(BroadcastChannel.prototype, "postMessage");
  const copies = () => post.mock.calls.filter(([said]) => (said as { say: string }).say === "all").length;
  const first = tab(locks, "i");
  await until(() => first.leads);
  first.say(message(snapshot([written("one", 1n)], "mark", 1n)));
  expect(copies()).toBe(0);
  const [second, third] = [tab(locks, "i"), tab(locks, "i")];
  await until(() => second.replica.ready && third.replica.ready);
  expect(copies()).toBeGreaterThan(0);
  post.mockRestore();
});

const ids = ({ replica }: Tab) => replica.list("package").map((row) => row.meta?.id);

test("a tab does not take changes of what it does not have yet", async () => {
  const locks = new Locks();
  const first = tab(locks, "b");
  await until(() => first.leads);
  const second = tab(locks, "b");
  first.say(message(changes([written("two", 2n)])));
  first.say(message(snapshot([written("one", 1n)], "mark", 3n)));
  await until(() => second.replica.ready);
  expect(ids(second)).toEqual(["one"]);
});

test("a tab that comes while a snapshot is under way has all of it in the end", async () => {
  const locks = new Locks();
  const first = tab(locks, "c");
  await until(() => first.leads);
  first.say(message(snapshot([written("one", 1n)])));
  const second = tab(locks, "c");
  first.say(message(snapshot([written("two", 2n)])));
  first.say(message(snapshot([], "mark", 2n)));
  await until(() => second.replica.ready);
  expect(ids(second)).toEqual(["one", "two"]);
});

test("a tab that has something to show is not mixed with a later snapshot of which it hears the end", async () => {
  const locks = new Locks();
  const first = tab(locks, "d");
  await until(() => first.leads);
  first.say(message(snapshot([written("one", 1n), written("two", 1n)], "mark", 1n)));
  first.replica.restart();
  first.say(message(snapshot([written("one", 5n)])));
  const second = tab(locks, "d");
  first.say(message(snapshot([written("two", 5n)], "later", 5n)));
  await until(() => second.replica.bookmark("first") === "later");
  expect(ids(second)).toEqual(["one", "two"]);
});

test("a new tab leads soon where the one with the feed does not answer, which then counts no more", async () => {
  const locks = new Locks();
  const first = tab(locks, "e");
  await until(() => first.leads);
  first.say(message(snapshot([written("old", 1n)], "mark", 1n)));
  const post = vi.spyOn(BroadcastChannel.prototype, "postMessage").mockImplementation(() => undefined); // it hangs
  const second = tab(locks, "e");
  await until(() => vi.getTimerCount() === 2);
  vi.advanceTimersByTime(2 * beat);
  await until(() => second.leads);
  post.mockRestore();
  const stale = new BroadcastChannel("e");
  stale.postMessage({ say: "all", reign: 1, told: 9, bytes: new Uint8Array() });
  second.say(message(snapshot([written("new", 2n)], "next", 2n)));
  await until(() => first.replica.bookmark("first") === "next");
  expect(ids(first)).toEqual(["new"]);
  expect(first.leads).toBe(false);
  first.tabs.close();
  stale.close();
});

test("a tab that missed something asks for it", async () => {
  const locks = new Locks();
  const first = tab(locks, "f");
  await until(() => first.leads);
  first.say(message(snapshot([written("one", 1n)], "mark", 1n)));
  const second = tab(locks, "f");
  await until(() => second.replica.ready);
  const post = vi.spyOn(BroadcastChannel.prototype, "postMessage").mockImplementation(() => undefined);
  first.say(message(changes([written("two", 2n)], "two", 2n)));
  post.mockRestore();
  first.say(message(changes([written("three", 3n)], "three", 3n)));
  await until(() => second.replica.bookmark("first") === "three");
  expect(ids(second)).toEqual(["one", "three", "two"]);
});

test("a tab whose leader closes while it waits for the copy leads itself, and a reloaded one after it", async () => {
  const locks = new Locks();
  const first = tab(locks, "g");
  await until(() => first.leads);
  const second = tab(locks, "g");
  first.tabs.close();
  await until(() => second.leads);
  second.say(message(snapshot([written("one", 1n)], "mark", 1n)));
  second.tabs.close();
  const again = tab(locks, "g");
  await until(() => again.leads);
  again.say(message(snapshot([written("one", 1n)], "mark", 1n)));
  expect(ids(again)).toEqual(["one"]);
});

test("pages of two builds have a feed each, and nothing of one is in the other", async () => {
  const locks = new Locks();
  const [older, newer] = [tab(new Locks(), "h one"), tab(locks, "h two")];
  await until(() => older.leads && newer.leads);
  older.say(message(snapshot([written("one", 1n)], "mark", 1n)));
  expect(newer.replica.ready).toBe(false);
  newer.say(message(snapshot([written("one", 1n), written("two", 2n)], "mark", 2n)));
  older.say(message(changes([written("three", 3n)], "next", 3n)));
  const beside = tab(locks, "h two");
  await until(() => beside.replica.ready);
  expect([ids(older), ids(newer), ids(beside)]).toEqual([["one", "three"], ["one", "two"], ["one", "two"]]);
});
