// The package as it runs on a server: hearth package test . --server
import assert from "node:assert/strict";
import { test } from "node:test";
import { InstalledPackage } from "@hearthos/sdk/testing";

const blog = new InstalledPackage();

test("a new blog asks for its first settings", async () => {
  const answer = await blog.fetch("ui", "/wp-admin/install.php");
  assert.equal(answer.status, 200);
});
