import { create } from "@bufbuild/protobuf";
import { ChangeSchema, UpdateSchema, Update_Phase as Phase } from "@hearthos/api/hearth/state/v1/state_pb";
import { describe, expect, test, vi } from "vitest";
import { Replica } from "./replica.svelte.js";
import { changes, gone, progress, snapshot, written } from "./said.testing.js";
import { everything } from "./tabs.js";

const ids = (replica: Replica) => replica.list("package").map((row) => row.meta?.id);

describe("the copy", () => {
  test("is whole when the snapshot's bookmark has come, and not before", () => {
    const replica = new Replica();
    replica.apply(snapshot([written("b", 1n)]));
    expect(replica.ready).toBe(false);
    replica.apply(snapshot([written("a", 2n)], "mark", 2n));
    expect(replica.ready).toBe(true);
    expect(ids(replica)).toEqual(["a", "b"]);
    expect(replica.bookmark("first")).toBe("mark");
  });

  test("keeps what a later snapshot brings and forgets the rest, without being empty in between", () => {
    const replica = new Replica();
    replica.apply(snapshot([written("a", 1n), written("b", 1n)], "one", 1n));
    replica.apply(snapshot([written("b", 5n, "new")]));
    expect(ids(replica)).toEqual(["a", "b"]);
    replica.apply(snapshot([], "two", 5n));
    expect(ids(replica)).toEqual(["b"]);
    expect(replica.get("package", "b")?.spec?.title).toBe("new");
  });

  test("takes changes and deletions, also of what belongs to a parent", () => {
    const replica = new Replica();
    replica.apply(snapshot([written("a/x", 1n), written("b/x", 1n)], "one", 1n));
    expect(replica.list("package", "a")).toHaveLength(1);
    replica.apply(changes([written("a/y", 2n), gone("a/x", 2n)]));
    expect(replica.list("package", "a").map((row) => row.meta?.id)).toEqual(["a/y"]);
    expect(replica.list("package", "b")).toHaveLength(1);
  });

  test("drops what is ephemeral when the server says so, and keeps it over a snapshot otherwise", () => {
    const replica = new Replica();
    replica.apply(snapshot([written("a", 1n)], "one", 1n));
    replica.apply(snapshot([progress("op")], "one", 1n, ["rest"]));
    replica.apply(snapshot([], "two", 1n, ["rest"]));
    replica.apply(create(UpdateSchema, { targets: ["first"], phase: Phase.CHANGES, bootId: "boot" }));
    expect(replica.list("progress")).toHaveLength(1);
    replica.apply(create(UpdateSchema, { targets: ["rest"], phase: Phase.CHANGES, bootId: "boot" }));
    expect(replica.list("progress")).toHaveLength(0);
    expect(ids(replica)).toEqual(["a"]);
  });

  test("forgets a snapshot that was cut off", () => {
    const replica = new Replica();
    replica.apply(snapshot([written("a", 1n)], "one", 1n));
    replica.apply(snapshot([written("b", 3n)]));
    replica.begin();
    replica.apply(changes([written("c", 4n)], "two", 4n));
    expect(ids(replica)).toEqual(["a", "b", "c"]);
    expect(replica.bookmark("first")).toBe("two");
  });

  test("has a place in the feed for each of its parts, and a snapshot of one leaves the other as it is", () => {
    const replica = new Replica();
    replica.apply(snapshot([written("a", 1n)], "one", 1n));
    expect([replica.ready, replica.whole]).toEqual([true, false]);
    replica.apply(snapshot([], "", 0n, ["rest"]));
    expect(replica.gathering).toBe(true);
    replica.apply(changes([written("b", 2n)], "two", 2n));
    replica.apply(snapshot([progress("op")], "rest", 2n, ["rest"]));
    expect([replica.whole, replica.gathering]).toEqual([true, false]);
    expect(ids(replica)).toEqual(["a", "b"]);
    replica.apply(changes([], "both", 3n, ["first", "rest"]));
    expect([replica.bookmark("first"), replica.bookmark("rest")]).toEqual(["both", "both"]);
  });

  test("ignores kinds that it does not know", () => {
    const replica = new Replica();
    replica.apply(snapshot([create(ChangeSchema, { kind: "later", id: "x", revision: 1n })], "one", 1n));
    expect(replica.ready).toBe(true);
  });

  test("is made the same in another tab", () => {
    const [one, other] = [new Replica(), new Replica()];
    one.apply(snapshot([written("a", 7n)], "mark", 9n));
    expect(everything(one).updates.map(({ targets }) => targets)).toEqual([["first"]]);
    one.apply(snapshot([progress("op")], "other", 9n, ["rest"]));
    for (const update of everything(one).updates) other.apply(update);
    expect(ids(other)).toEqual(["a"]);
    expect(other.list("progress")).toHaveLength(1);
    expect([other.bookmark("first"), other.bookmark("rest"), other.revision, other.whole]).toEqual(["mark", "other", 9n, true]);
  });
});

describe("whoever wrote something", () => {
  test("goes on when the copy has it", async () => {
    const replica = new Replica();
    replica.apply(snapshot([], "one", 1n));
    const order: string[] = [];
    const one = replica.reached(3n, 60_000).then(() => order.push("three"));
    const two = replica.reached(5n, 60_000).then(() => order.push("five"));
    replica.apply(changes([written("a", 3n)]));
    await one;
    expect(order).toEqual(["three"]);
    replica.apply(changes([], "two", 6n));
    await two;
    expect(order).toEqual(["three", "five"]);
  });

  test("does not wait for what is there, nor for ever", async () => {
    vi.useFakeTimers();
    const replica = new Replica();
    replica.apply(snapshot([], "one", 4n));
    await replica.reached(4n);
    const late = replica.reached(9n, 2000);
    await vi.advanceTimersByTimeAsync(2000);
    await late;
    vi.useRealTimers();
  });
});
