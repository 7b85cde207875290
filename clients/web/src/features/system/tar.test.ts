import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tar } from "./tar.js";

test("what is put into an archive comes out of it, and nothing beside it", () => {
  const folder = mkdtempSync(join(tmpdir(), "hearth-tar-"));
  try {
    const long = new Uint8Array(1500).map((_, i) => i % 251);
    const at = new Date("2026-11-28T04:00:00Z");
    const parts = tar([
      { name: "server/checks.json", data: new TextEncoder().encode("{}\n") },
      { name: "../outside", data: long },
      { name: "/etc/outside", data: long },
      { name: "server/log.txt", data: long },
      { name: "empty", data: new Uint8Array() },
    ], at);
    writeFileSync(join(folder, "a.tar"), Buffer.concat(parts));
    expect(execFileSync("tar", ["-tf", join(folder, "a.tar")], { encoding: "utf8" }).trim().split("\n")).toEqual(["server/checks.json", "server/log.txt", "empty"]);
    execFileSync("tar", ["-xf", join(folder, "a.tar"), "-C", folder]);
    expect(readFileSync(join(folder, "server/checks.json"), "utf8")).toBe("{}\n");
    expect(new Uint8Array(readFileSync(join(folder, "server/log.txt")))).toEqual(long);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
