import { expect, test, vi } from "vitest";
import type { Job } from "../ui/bounded.js";
import { Patterns } from "./patterns.svelte.js";

// What is done beside the page needs a browser; what comes of it is here.
const run = vi.hoisted(() => vi.fn<(job: Job) => Promise<unknown>>());
vi.mock("../ui/bounded.js", () => ({ bounded: { run } }));

test("a value counts as matching until it is known not to", async () => {
  run.mockResolvedValue(false);
  const patterns = new Patterns();
  expect(patterns.matches("^a$", "b")).toBe(true);
  await patterns.settled();
  expect(patterns.matches("^a$", "b")).toBe(false);
  expect(run).toHaveBeenCalledTimes(1);
});

test("a pattern that cannot be read, or does not end, is left to the package", async () => {
  run.mockRejectedValue(new Error("it took too long"));
  const patterns = new Patterns();
  patterns.matches("^(a+)+$", "aaaa!");
  await patterns.settled();
  expect(patterns.matches("^(a+)+$", "aaaa!")).toBe(true);
});
