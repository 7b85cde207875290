// Backups with the real rsync, on a host in memory.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Backups, definePackage } from "@hearthos/sdk";
import { TestHost } from "@hearthos/sdk/testing";

const about = { id: "x", title: "X", license: "MIT", short: "s", long: "l", packageRepo: "a", upstreamRepo: "b", website: "c" };
const skip = spawnSync("rsync", ["--version"]).status === 0 ? false : "needs rsync";

test("a restore brings back what was backed up, its links and its version", { skip }, async (t) => {
  const order = [];
  const host = new TestHost(
    definePackage({
      about,
      versions: [{ version: "1.0.0:0", notes: "" }, { version: "1.2.0:3", notes: "", up: async () => void order.push("up") }],
      images: { main: "x:1" },
      volumes: ["main", "cache"],
      backup: async () =>
        Backups.ofVolumes()
          .addVolume("main", { options: { delete: true, exclude: ["tmp"] } })
          .setPreBackup(async () => void order.push("before"))
          .setPostRestore(async () => void order.push("after")),
      run: () => ({}),
    }),
  );
  t.after(() => host.close());
  await host.install();
  const data = join(host.root, "volumes/main");
  mkdirSync(join(data, "tmp"), { recursive: true });
  writeFileSync(join(data, "a"), "kept", { mode: 0o600 });
  writeFileSync(join(data, "tmp/b"), "left out");
  linkSync(join(data, "a"), join(data, "hard"));
  symlinkSync("a", join(data, "soft"));
  await host.backup();
  assert.equal(readFileSync(join(host.root, "backup/dataVersion.txt"), "utf8"), "1.2.0:3");
  const progress = host.calls.findLast(({ effect }) => effect === "set-backup-progress").params.progress;
  assert.equal(progress.overall, true);

  rmSync(join(host.root, "volumes"), { recursive: true });
  mkdirSync(data, { recursive: true });
  writeFileSync(join(data, "newer"), "goes");
  writeFileSync(join(host.root, "backup/dataVersion.txt"), "1.0.0:0");
  host.dataVersion = null;
  await host.install("restore");
  assert.equal(readFileSync(join(data, "soft"), "utf8"), "kept");
  assert.equal(statSync(join(data, "a")).mode & 0o777, 0o600);
  assert.equal(statSync(join(data, "a")).ino, statSync(join(data, "hard")).ino);
  assert.ok(!existsSync(join(data, "newer")));
  assert.ok(!existsSync(join(data, "tmp")));
  assert.equal(host.dataVersion, "1.2.0:3");
  assert.deepEqual(order, ["before", "after", "up"]);
});

test("a backup that fails says so and writes no version", { skip }, async (t) => {
  const host = new TestHost(
    definePackage({ about, versions: [{ version: "1.0.0:0", notes: "" }], images: { main: "x:1" }, volumes: ["main"], backup: async () => Backups.ofVolumes().addVolume("main"), run: () => ({}) }),
  );
  t.after(() => host.close());
  await host.install();
  writeFileSync(join(host.root, "bin/rsync"), "#!/bin/sh\necho full >&2\nexit 11\n", { mode: 0o755 });
  await assert.rejects(host.backup(), /rsync ended with 11: full/);
  assert.ok(!existsSync(join(host.root, "backup/dataVersion.txt")));
});
