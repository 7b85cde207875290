import { flushSync } from "svelte";
import { SvelteMap } from "svelte/reactivity";
import { toStore } from "svelte/store";
import { expect, test } from "vitest";
import { Replica } from "./replica.svelte.js";
import { changes, gone, snapshot, written } from "./said.testing.js";

// What is shown follows the copy, also where it was asked for before there was anything of it.
test("who asks for what belongs to a parent hears of the first of it, of more and of its end", () => {
  const replica = new Replica();
  const seen: string[] = [];
  // A part of the page is there only later: what it asks for first, it asks within a reaction.
  const opened = new SvelteMap<string, true>();
  const end = toStore(() => (opened.has("part") ? replica.list("package", "a").map((row) => row.meta?.id).join() : "closed")).subscribe((now) => seen.push(now));
  opened.set("part", true);
  flushSync();
  replica.apply(snapshot([written("b/x", 1n), written("a/x", 1n)], "one", 1n));
  flushSync();
  replica.apply(changes([written("a/y", 2n)]));
  flushSync();
  replica.apply(changes([gone("a/x", 3n)]));
  flushSync();
  end();
  expect(seen.filter((now, i) => now !== seen[i - 1])).toEqual(["closed", "", "a/x", "a/x,a/y", "a/y"]);
});
