// The package as it runs on a server: hearth package test . --server
import assert from "node:assert/strict";
import { test } from "node:test";
import { InstalledPackage } from "@hearthos/sdk/testing";

const installed = new InstalledPackage();

test("its page is there", async () => {
  await installed.until(async () => (await installed.fetch("ui")).ok);
  assert.ok((await installed.health()).every(({ result }) => result === "success"));
});
