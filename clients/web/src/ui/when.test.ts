import { describe, expect, test, vi } from "vitest";
import { bytes, percent } from "./when.js";

vi.stubGlobal("navigator", { languages: ["en"] });
const plain = (text: string) => text.replaceAll("\u00a0", " ");

describe("a number of bytes", () => {
  test("is told in the units of the command line", () => {
    expect(plain(bytes(0))).toBe("0 B");
    expect(plain(bytes(1000))).toBe("1,000 B");
    expect(plain(bytes(1536n))).toBe("1.5 KiB");
    expect(plain(bytes(314572800n))).toBe("300 MiB");
    expect(plain(bytes(2 ** 40 * 3))).toBe("3 TiB");
    expect(plain(bytes(2 ** 50 * 2))).toBe("2,048 TiB");
  });

  test("is one of the next unit before it is written as 1024 of one", () => {
    expect(plain(bytes(2 ** 20 - 1))).toBe("1 MiB");
    expect(plain(bytes(1023.4 * 1024))).toBe("1,023 KiB");
  });
});

test("a small share has a digit more", () => {
  expect([percent(0.5), percent(0.031), percent(0)]).toEqual(["50%", "3.1%", "0%"]);
});
