// The package as it runs on a server: hearth package test . --server
import assert from "node:assert/strict";
import { test } from "node:test";
import { InstalledPackage } from "@hearthos/sdk/testing";

const page = new InstalledPackage();
const says = async (text) => (await (await page.fetch("ui")).text()).includes(`<h1 id="greeting">${text}</h1>`);

test("the page greets", async () => {
  await page.until(() => says("Hello from Hearth"));
});

test("the page follows its settings", async () => {
  await page.action("settings", { greeting: "Good morning", color: "#2b5d34" });
  await page.until(() => says("Good morning"));
  assert.deepEqual((await page.health()).map(({ result }) => result), ["success"]);
});

test("a form with a number for a text is refused", async () => {
  await assert.rejects(page.action("settings", { greeting: 1, color: "#2b5d34" }), /ACTION_INPUT/);
});
