// Each recipe of docs/packaging/recipes.md is a package that is installed, started and stopped, on a host in memory.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { TestHost } from "@hearthos/sdk/testing";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const text = readFileSync(at("../../../docs/packaging/recipes.md"), "utf8");
const made = at(`.made/recipes.${process.pid}`);
mkdirSync(made, { recursive: true });
process.on("exit", () => rmSync(made, { recursive: true, force: true }));

const recipes = [...text.matchAll(/^## (.*)\n(?:(?!^## )[\s\S])*?^```ts recipe\n([\s\S]*?)^```$/gm)];
assert.ok(recipes.length > 15, `only ${recipes.length} recipes were found`);
const head = execFileSync(process.execPath, [at("docs.mjs"), "--head"], { encoding: "utf8" });
// What people have chosen before it starts.
const chosen = { "Parts that follow a list": { sites: [{ name: "a", port: 8080 }] } };
for (const [index, [, title, code]] of recipes.entries()) {
  test(title, async () => {
    const outfile = `${made}/${index}.mjs`;
    await build({ stdin: { contents: `${head}export const pkg = definePackage({\nabout,\nversions,\n${code}});\n`, loader: "ts", resolveDir: made }, outfile, format: "esm", target: "node22", logLevel: "silent" });
    const { pkg } = await import(pathToFileURL(outfile).href);
    const host = new TestHost(pkg, { programs: { app: "exit 0" } });
    try {
      await host.install();
      assert.equal(host.dataVersion, "1.0.0:0");
      if (chosen[title]) await host.run("settings", chosen[title]);
      await host.start();
      await host.until(() => host.calls.some(({ effect }) => effect === "subcontainer.create-fs"));
      await host.stop();
    } finally {
      await host.stop();
      host.close();
    }
  });
}
