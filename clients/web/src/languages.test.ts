import { expect, test } from "vitest";
import { localeOf, negotiate } from "./languages.js";

test("the language is the first of those asked for that there is", () => {
  expect(negotiate(["nl-NL", "de-CH", "en"])).toBe("de");
  expect(negotiate(["constructor", "toString", null, undefined, ""])).toBe("en");
});

test("numbers and times are written as in the browser's region, where that speaks the language", () => {
  expect(localeOf("en", ["en-GB", "en"])).toBe("en-GB");
  expect(localeOf("de", ["en-US", "de-AT"])).toBe("de-AT");
  expect(localeOf("fr", ["en-US"])).toBe("fr");
  expect(localeOf("en", ["eng-XX"])).toBe("en");
});
