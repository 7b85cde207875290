import { create } from "@bufbuild/protobuf";
import { WordsSchema } from "@hearthos/api/hearth/meta/v1/meta_pb";
import { beforeAll, expect, test, vi } from "vitest";
import { texts } from "./i18n.svelte.js";
import { inWords } from "./words.js";

const english = "fuse: there is no /dev/fuse; without it no services run";
const spoken = { Detail: create(WordsSchema, { key: "capability.device.missing.text", metadata: { Path: "/dev/fuse" } }) };
const found = { key: "check.capabilities.lack.text", metadata: { Name: "fuse", Detail: "there is no /dev/fuse" }, spoken };

beforeAll(() => {
  vi.stubGlobal("document", { documentElement: {} });
  vi.stubGlobal("navigator", { languages: [] });
});

test("sizes within are written as in the person's language", async () => {
  await texts.use("pl");
  const said = inWords({ key: "warning.disk-space.text", metadata: { Free: "6.9 GiB", Total: "252.0 GiB" } }, "6.9 GiB of 252.0 GiB");
  expect(said).toContain("6,9\u00a0GiB");
  expect(said).not.toContain("252.0");
});

test("what the server says is in the person's language, with the texts within it", async () => {
  await texts.complete();
  await texts.use("de");
  const said = inWords(found, english);
  expect(said).toContain("fuse");
  expect(said).toContain("/dev/fuse");
  expect(said).not.toContain("there is no");
  expect(said).not.toContain("without it");
});

test("what the catalogue does not have is said as the server does", async () => {
  await texts.use("de");
  expect(inWords({ key: "check.nobody.text", metadata: {} }, "a newer server's words")).toBe("a newer server's words");
  expect(inWords({ ...found, spoken: { Detail: create(WordsSchema, { key: "nobody" }) } }, english)).toContain("there is no /dev/fuse");
});

test("English is the server's own", async () => {
  await texts.use("en");
  expect(inWords(found, english)).toBe(english);
});
