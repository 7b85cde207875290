// What a package costs: how large its bundle is, what is left out of it, and that both kinds of modules work.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

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
});

const here = { cwd: fileURLToPath(new URL("..", import.meta.url)), encoding: "utf8" };
test("it can be imported and required", () => {
  const said = "console.log(typeof sdk.definePackage, typeof startos.StartSdk.of)";
  const imported = execFileSync(process.execPath, ["--input-type=module", "-e", `import * as sdk from "@hearthos/sdk"; import * as startos from "@hearthos/sdk/startos"; ${said}`], here);
  const required = execFileSync(process.execPath, ["-e", `const sdk = require("@hearthos/sdk"); const startos = require("@hearthos/sdk/startos"); ${said}`], here);
  assert.equal(imported.trim(), "function function");
  assert.equal(required.trim(), "function function");
});
