import { describe, expect, test } from "vitest";
import { parse, partOf } from "./routes.js";

describe("a path", () => {
  test("means the page that its first part names, and what follows is decoded", () => {
    expect(parse("/services/a%20b/logs")).toEqual({ page: "services", parts: ["a b", "logs"] });
    expect(parse("/")).toEqual({ page: "", parts: [] });
    expect(parse("/toString").page).toBeUndefined();
  });

  test("that is not encoded properly means itself", () => {
    expect(parse("/services/%zz").parts).toEqual(["%zz"]);
  });

  test("means a part that there is, else the first", () => {
    const parts = { "": 0, people: 1, terminal: undefined };
    expect(partOf(parts, parse("/system/people"))).toBe("people");
    for (const wanted of ["", "nosuch", "terminal", "toString", "constructor", "valueOf", "__proto__", "hasOwnProperty"]) {
      expect(partOf(parts, parse(`/system/${wanted}`))).toBe("");
      expect(partOf(parts, parse(`/services/x/${wanted}`), 1)).toBe("");
    }
  });
});
