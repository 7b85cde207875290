import { expect, test, vi } from "vitest";

vi.stubGlobal("location", { search: "" });
vi.stubGlobal("addEventListener", () => undefined);
vi.stubGlobal("document", { addEventListener: () => undefined });
const { address, parse } = await import("./place.svelte.js");

test("an address says what is shown, and reads back", () => {
  for (const place of [{}, { q: "photos & more" }, { package: "immich", version: "#flavor:1.0.0:0" }, { category: "media", after: "aW1taWNo" }]) {
    const text = address(place);
    expect(parse(text.slice(1))).toEqual({ q: "", category: "", package: "", version: "", after: "", ...place });
  }
});

test("what an address does not know counts for nothing", () => {
  expect(parse("?q=a&evil=1&q=b")).toEqual({ q: "a", category: "", package: "", version: "", after: "" });
  expect(address({ q: "" })).toBe("/");
});
