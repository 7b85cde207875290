// The package on a host in memory: no server is needed, and nothing runs in a container.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TestHost } from "@hearthos/sdk/testing";
import pkg from "./javascript/index.js";

test("it is installed, started and healthy, and its page says what was chosen", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const host = new TestHost(pkg, { clock: t.mock.timers, programs: { chown: "exit 0" } });
  t.after(() => host.close());
  await host.install();
  await host.run("settings", { greeting: "Good morning", color: "#2b5d34" });
  await host.start();
  host.listen(80);
  await host.until(() => host.health.get("web")?.result === "success");
  assert.ok(host.interfaces.has("ui"));
  t.mock.timers.reset();
  await host.stop();
});
