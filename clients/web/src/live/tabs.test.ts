import { create } from "@bufbuild/protobuf";
import { WatchResponseSchema, type WatchResponse } from "@hearthos/api/hearth/state/v1/state_pb";
import { afterEach, expect, test } from "vitest";
import { Replica } from "./replica.svelte.js";
import { changes, snapshot, written } from "./said.testing.js";
import { Tabs } from "./tabs.js";

/** Locks as browsers have them, for one name: the first who asks has it until its work ends. */
class Locks {
  #queue = Promise.resolve<unknown>(undefined);
  request(_name: string, how: LockOptions, work: () => Promise<unknown>): Promise<unknown> {
    const turn = this.#queue.then(() => (how.signal?.aborted ? undefined : work()));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}

interface Tab {
  readonly replica: Replica;
  readonly tabs: Tabs;
  leads: boolean;
  /** What the server says to this tab. */
  say: (message: WatchResponse) => void;
}

const open: Tab[] = [];
afterEach(() => {
  for (const { tabs } of open.splice(0)) tabs.close();
});

function tab(locks: Locks, name: string): Tab {
  const replica = new Replica();
  const made: Tab = {
    replica,
    leads: false,
    say: () => undefined,
    tabs: new Tabs({
      replica,
      name,
      locks: locks as unknown as LockManager,
      onLink: () => undefined,
      lead: (tell, signal) => {
        made.leads = true;
        made.say = (message) => {
          tell(message);
          for (const update of message.updates) replica.apply(update);
        };
        return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
      },
    }),
  };
  open.push(made);
  return made;
}
const until = (true_: () => boolean) => expect.poll(true_).toBe(true);
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
  expect(second.replica.bookmark).toBe("next");
});

test("a tab does not take changes of what it does not have yet", async () => {
  const locks = new Locks();
  const first = tab(locks, "b");
  await until(() => first.leads);
  const second = tab(locks, "b");
  first.say(message(changes([written("two", 2n)], "next", 2n)));
  first.say(message(snapshot([written("one", 1n)], "mark", 3n)));
  await until(() => second.replica.ready);
  expect(second.replica.list("package").map((row) => row.meta?.id)).toEqual(["one"]);
});
