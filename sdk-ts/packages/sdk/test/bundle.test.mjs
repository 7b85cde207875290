// What a package costs: how large its bundle is, what is left out of it, and that both kinds of modules work.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { files as zodFiles } from "../zod.mjs";

const sample = fileURLToPath(new URL("../../../examples/hello-sdk/package.ts", import.meta.url));
const options = { bundle: true, write: false, platform: "node", target: "node22", format: "cjs", minifySyntax: true, minifyWhitespace: true, legalComments: "none", logLevel: "silent" };
const bundled = async (entry) => (await build({ ...options, ...entry })).outputFiles[0].text;
const stdin = (contents) => ({ stdin: { contents, resolveDir: fileURLToPath(new URL(".", import.meta.url)) } });

test("the bundle of the sample is small, and nothing is in it that it does not use", async () => {
  const text = await bundled({ entryPoints: [sample] });
  assert.ok(text.length < 600 * 1024, `${text.length} bytes`);
  for (const unused of ["XMLParser", "parseDocument", "ZodError", "createRouterTransport"]) assert.ok(!text.includes(unused), `${unused} is in the bundle`);
});

test("a form alone brings nothing else along", async () => {
  const text = await bundled(stdin('import { form, field } from "@hearthos/sdk"; console.log(form({ a: field.toggle({ name: "A", default: true }) }));'));
  assert.ok(text.length < 40 * 1024, `${text.length} bytes`);
  assert.ok(!text.includes("start-container"));
});

test("what is for StartOS is smaller than the original", async () => {
  const names = "export { StartSdk, FileHelper, z, VersionGraph, setupManifest, buildManifest, utils } from";
  const [ours, theirs] = await Promise.all([bundled(stdin(`${names} "@hearthos/sdk/startos";`)), bundled(stdin(`${names} "@start9labs/start-sdk";`))]);
  assert.ok(ours.length < theirs.length, `${ours.length} and ${theirs.length} bytes`);
  assert.ok(Buffer.byteLength(ours) <= 600 * 1024, `${Buffer.byteLength(ours)} bytes`);
});

test("zod is there whole, but for its texts in other languages", async () => {
  for (const [name, text] of Object.entries(zodFiles)) assert.equal(readFileSync(new URL(`../src/startos/${name}`, import.meta.url), "utf8"), text, `${name}: run node zod.mjs`);
  const { z: whole } = await import("zod");
  const { z } = await import("@hearthos/sdk/startos");
  assert.deepEqual(Object.keys(whole).filter((name) => !(name in z)), ["locales"]);
  const text = await bundled(stdin('import { z } from "@hearthos/sdk/startos"; console.log(z.object({ port: z.number() }).safeParse({ port: "x" }).error?.issues[0]?.message);'));
  assert.equal(execFileSync(process.execPath, ["-"], { input: text, encoding: "utf8" }).trim(), "Invalid input: expected number, received string");
});

const here = { cwd: fileURLToPath(new URL("..", import.meta.url)), encoding: "utf8" };
test("it can be imported and required", () => {
  const said = "console.log(typeof sdk.definePackage, typeof startos.StartSdk.of)";
  const imported = execFileSync(process.execPath, ["--input-type=module", "-e", `import * as sdk from "@hearthos/sdk"; import * as startos from "@hearthos/sdk/startos"; ${said}`], here);
  const required = execFileSync(process.execPath, ["-e", `const sdk = require("@hearthos/sdk"); const startos = require("@hearthos/sdk/startos"); ${said}`], here);
  assert.equal(imported.trim(), "function function");
  assert.equal(required.trim(), "function function");
});
