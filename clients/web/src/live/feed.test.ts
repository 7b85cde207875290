import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { FaultSchema, Reason } from "@hearthos/api/hearth/meta/v1/fault_pb";
import { WatchResponseSchema, type Update, type WatchResponse } from "@hearthos/api/hearth/state/v1/state_pb";
import { expect, test } from "vitest";
import { follow, type Link } from "./feed.js";
import { Replica } from "./replica.svelte.js";
import { changes, snapshot, written } from "./said.testing.js";

const refused = (reason: Reason) => new ConnectError("no", Code.Unknown, undefined, [{ desc: FaultSchema, value: { reason } }]);
const says = (...updates: Update[]): WatchResponse => create(WatchResponseSchema, { updates });

/** Plays a server: each call of the feed takes the next of these, what it says and how it ends. */
async function play(...calls: (Update[] | Error)[]): Promise<{ replica: Replica; bookmarks: string[]; links: Link[]; pauses: number[]; shown: number[] }> {
  const replica = new Replica();
  const [bookmarks, links, pauses, shown]: [string[], Link[], number[], number[]] = [[], [], [], []];
  const ends = new AbortController();
  await follow(
    {
      replica,
      onLink: (link) => links.at(-1) !== link && links.push(link),
      pause: (ms) => {
        pauses.push(ms);
        return Promise.resolve();
      },
      shown: () => {
        shown.push(bookmarks.length);
        return Promise.resolve();
      },
      watch: (parts) => {
        bookmarks.push(parts.map((part) => replica.bookmark(part)).join());
        const call = calls.shift();
        return (async function* () {
          await Promise.resolve();
          if (call instanceof Error) throw call;
          if (call === undefined) ends.abort();
          else yield says(...call);
        })();
      },
    },
    ends.signal,
  );
  return { replica, bookmarks, links, pauses, shown };
}

/** The rest of the copy, as it comes after what is seen first. */
const rest = snapshot([], "rest", 1n, ["rest"]);

test("what is seen first is asked for alone, and the rest with it when that is shown", async () => {
  const { replica, bookmarks, links, pauses, shown } = await play([snapshot([written("a", 1n)], "one", 1n)], [rest]);
  expect(bookmarks).toEqual(["", "one,", "one,rest"]);
  expect(shown).toEqual([1]);
  expect(replica.whole).toBe(true);
  expect(links).toEqual(["connecting", "live", "lost"]);
  expect(pauses).toHaveLength(1);
});

test("the feed goes on at its bookmark after a break", async () => {
  const { replica, bookmarks, links } = await play([snapshot([written("a", 1n)], "one", 1n)], [rest], new Error("cut"), [changes([written("b", 2n)], "two", 2n)]);
  expect(bookmarks).toEqual(["", "one,", "one,rest", "one,rest", "two,rest"]);
  expect(replica.list("package")).toHaveLength(2);
  expect(links).toEqual(["connecting", "live", "lost", "live", "lost"]);
});

test("an expired bookmark is given up and all is fetched again at once", async () => {
  const { bookmarks, pauses, replica } = await play(
    [snapshot([written("a", 1n)], "one", 1n)], [rest], refused(Reason.BOOKMARK_EXPIRED), [snapshot([written("b", 9n)], "nine", 9n)],
  );
  expect(bookmarks).toEqual(["", "one,", "one,rest", ",", "nine,"]);
  expect(pauses).toHaveLength(2);
  expect(replica.list("package").map((row) => row.meta?.id)).toEqual(["b"]);
});

test("it tries later and later while nothing comes, and soon again after something came", async () => {
  const away = new Error("away");
  const { pauses } = await play(away, away, away, away, [snapshot([], "one", 1n)], [rest], away);
  const [first, , , fourth, after] = pauses as [number, number, number, number, number];
  expect(fourth).toBeGreaterThan(first * 3);
  expect(after).toBeLessThan(fourth);
});

test.each([Reason.UNAUTHENTICATED, Reason.PERMISSION_DENIED, Reason.SELECTOR_INVALID])("it ends for a caller whom the server no longer knows, or of other rights: %i", async (reason) => {
  const { bookmarks } = await play(refused(reason), [snapshot([], "never", 1n)]);
  expect(bookmarks).toEqual([""]);
});
