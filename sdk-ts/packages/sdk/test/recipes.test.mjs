// Each recipe of docs/packaging/recipes is a package that is installed, started and stopped, on a host in memory.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { TestHost } from "@hearthos/sdk/testing";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const folder = at("../../../docs/packaging/recipes");
const made = at(`.made/recipes.${process.pid}`);
mkdirSync(made, { recursive: true });
process.on("exit", () => rmSync(made, { recursive: true, force: true }));

// What packagers need, a page each.
const needs = [
  "basic-service", "prebuilt-image", "web-ui", "api-interface", "multiple-interfaces", "primary-url", "config-file", "config-action", "environment", "fixed-config", "admin-credentials",
  "reset-password", "internal-secrets", "registration", "require-setup", "dependency", "mount-dependency", "alternative-dependencies", "enforce-dependency", "health-checks", "oneshot",
  "several-parts", "dynamic-parts", "run-until-success", "install-init", "restore-init", "migrations", "backups", "postgres", "mysql", "valkey", "smtp", "notifications", "nested-containers",
];
// What people have chosen before it starts.
const chosen = { "dynamic-parts": { sites: [{ name: "a", port: 8080 }] }, "require-setup": { domain: "example.org" } };
const head = execFileSync(process.execPath, [at("docs.mjs"), "--head"], { encoding: "utf8" });
const pages = readdirSync(folder).filter((name) => name !== "README.md").map((name) => name.replace(/\.md$/, ""));
const index = readFileSync(`${folder}/README.md`, "utf8");

test("there is a page for each need, and the index names each page by its title", () => {
  assert.deepEqual(needs.filter((need) => !pages.includes(need)), []);
  const titles = pages.map((page) => `- [${readFileSync(`${folder}/${page}.md`, "utf8").match(/^# (.*)/)[1]}](${page}.md)`);
  assert.deepEqual(titles.filter((title) => !index.includes(title)), []);
});

for (const page of pages) {
  const code = [...readFileSync(`${folder}/${page}.md`, "utf8").matchAll(/^```ts ?(\w*)\n([\s\S]*?)^```$/gm)];
  // What is no description is compiled alone, or stands for a test of some package; see docs.mjs.
  test(`${page} has code that runs`, async () => {
    assert.notEqual(code.length, 0);
    for (const [i, [, kind, text]] of code.entries()) if (kind !== "test") await live(`${made}/${page}-${i}.mjs`, kind === "recipe" ? `${head}export const pkg = definePackage({\nabout,\nversions,\n${text}});\n` : text, chosen[page]);
  });
}

async function live(outfile, contents, chosen) {
  await build({ stdin: { contents, loader: "ts", resolveDir: made }, outfile, format: "esm", target: "node22", logLevel: "silent" });
  const module = await import(pathToFileURL(outfile).href);
  const host = new TestHost(module.pkg ?? module, { programs: { app: "exit 0" } });
  try {
    await host.install();
    assert.match(host.dataVersion, /^[12]\.0\.0:0$/);
    if (chosen) await host.run("settings", chosen);
    await host.start();
    await host.until(() => host.calls.some(({ effect }) => effect === "subcontainer.create-fs"));
    await host.stop();
  } finally {
    await host.stop();
    host.close();
  }
}
