import { create } from "@bufbuild/protobuf";
import { HostSchema } from "@hearthos/api/hearth/hosts/v1/hosts_pb";
import { PackageSchema } from "@hearthos/api/hearth/packages/v1/resources_pb";
import { expect, test } from "vitest";
import { plain, plainly } from "./plain.js";

test("a name cannot be written backwards", () => {
  expect(plain("\u202Eexe.jpg\u202C")).toBe("\uFFFDexe.jpg\uFFFD");
  expect(plain("\u2066a\u2069")).toBe("\uFFFDa\uFFFD");
});

test("text of any writing stays as it is", () => {
  for (const text of ["Café 日本語", "שלום", "مرحبا", "😀 a\u200Db"]) expect(plain(text)).toBe(text);
});

test("all texts of a message are made plain, those in lists and maps too, and nothing else is touched", () => {
  const row = create(PackageSchema, { meta: { id: "a", labels: { "x": "\u202Eb" }, revision: 7n }, spec: { title: "\u202Egnp" } });
  plainly(row);
  expect(row.spec?.title).toBe("\uFFFDgnp");
  expect(row.meta?.labels["x"]).toBe("\uFFFDb");
  expect(row.meta?.revision).toBe(7n);
  const host = create(HostSchema, {});
  const bytes = new Uint8Array([1, 2]);
  const message = { list: ["\u2067x"], bytes, host };
  plainly(message);
  expect(message.list).toEqual(["\uFFFDx"]);
  expect(message.bytes).toBe(bytes);
});
