// The sample that is written for the original's SDK, built with both, on the same host: it asks the same of it.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { TestHost } from "@hearthos/sdk/testing";

const entry = fileURLToPath(new URL("../../../examples/hello-hearth/startos/index.ts", import.meta.url));

async function sample(t, sdk) {
  const dir = mkdtempSync(join(tmpdir(), "startos-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const outfile = join(dir, "index.cjs");
  await build({ entryPoints: [entry], outfile, bundle: true, platform: "node", format: "cjs", alias: { "@start9labs/start-sdk": sdk }, logLevel: "error" });
  // The original has the places of files written into it.
  const host = { path: "" };
  return { load: (root) => {
    host.path = root;
    const code = readFileSync(outfile, "utf8").replaceAll('"/media/startos/volumes', JSON.stringify(join(root, "volumes")).slice(0, -1)).replaceAll("`/media/startos/volumes", `\`${root}/volumes`);
    const module = { exports: {} };
    new Function("module", "exports", "require", code)(module, module.exports, createRequire(outfile));
    return module.exports;
  } };
}

// What a host ignores, and progress, which is told as often as there is time for it.
const quiet = new Set(["set-init-progress", "clear-callbacks"]);
function told(calls) {
  return calls
    .filter(({ effect }) => !quiet.has(effect))
    .map(({ effect, params }) => {
      const { stack: _s, protocol: _p, eventId: _e, ...rest } = params;
      if (rest.addSsl) delete rest.addSsl.scheme;
      return JSON.parse(JSON.stringify([effect, rest]));
    });
}

test("the sample asks the same of its host, whichever SDK it is built with", async (t) => {
  const seen = [];
  for (const sdk of ["@hearthos/sdk/startos", "@start9labs/start-sdk"]) {
    const { load } = await sample(t, sdk);
    const pkg = { init: (o) => pkg.real.init(o), uninit: (o) => pkg.real.uninit(o), main: (o) => pkg.real.main(o), actions: { get: (id) => pkg.real.actions.get(id) } };
    const host = new TestHost(pkg);
    pkg.real = load(host.root);
    await host.install();
    const form = await host.input("set-greeting");
    const result = await host.run("set-greeting", { greeting: "Good morning" });
    const stored = JSON.parse(readFileSync(join(host.root, "volumes/main/settings.json"), "utf8"));
    await assert.rejects(host.run("set-greeting", { greeting: 3 }), /greeting|string/);
    await host.uninstall();
    seen.push({ calls: told(host.calls), form: { spec: JSON.parse(JSON.stringify(form.spec)), value: form.value }, result, stored });
  }
  const [ours, theirs] = seen;
  assert.deepEqual(ours.form, theirs.form);
  assert.deepEqual(ours.result, theirs.result);
  assert.deepEqual(ours.stored, theirs.stored);
  assert.deepEqual(ours.calls, theirs.calls);
});
