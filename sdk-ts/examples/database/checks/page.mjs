// The package as it runs on a server: hearth package test . --server
import assert from "node:assert/strict";
import { test } from "node:test";
import { InstalledPackage } from "@hearthos/sdk/testing";

const database = new InstalledPackage();

test("the page beside the database asks who is there", async () => {
  const answer = await database.fetch("ui");
  assert.equal(answer.status, 200);
  assert.match(await answer.text(), /name="auth\[password\]"/);
});
