// The package on a host in memory: no server is needed, and nothing runs in a container.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TestHost } from "@hearthos/sdk/testing";
import pkg from "./javascript/index.js";

test("it is installed, started and healthy", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const host = new TestHost(pkg, { clock: t.mock.timers, programs: { web: "exit 0", pg_isready: "exit 0" } });
  t.after(() => host.close());
  await host.install();
  await host.start();
  host.listen(80);
  host.listen(25);
  await host.until(() => host.health.get("web")?.result === "success");
  await host.until(() => host.health.get("db")?.result === "success");
  await host.until(() => host.health.get("mail")?.result === "success");
  assert.ok(host.interfaces.has("ui"));
  assert.ok(host.interfaces.has("web"));
  assert.ok(host.interfaces.has("mail"));
  t.mock.timers.reset();
  await host.stop();
});
