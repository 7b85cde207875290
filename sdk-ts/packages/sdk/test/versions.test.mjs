// Versions, ranges and manifests against the original's library, and the vectors that were made with it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import original from "@start9labs/start-sdk";
import * as ours from "@hearthos/sdk/startos";

const vectors = JSON.parse(readFileSync(new URL("../../../../api/exver/testdata/exver.json", import.meta.url), "utf8"));
const ranges = new Set();
const versions = new Set(["1.0.0:0", "0.9:1", "2.3.4:5", "1.2.3-rc.1:0", "#knots:29.1:0", "0.0.3:0", "0:0"]);
for (const { op, input, range, version } of vectors.cases) {
  if (op === "parse_range" && typeof input === "string") ranges.add(input);
  if (typeof range === "string") ranges.add(range);
  if (typeof version === "string") versions.add(version);
}

function tried(fn) {
  try {
    return fn();
  } catch {
    return "refused";
  }
}

test("versions are read and ordered as by the original", () => {
  const texts = [...versions, "1", "1.0", "a:b", "1.0:0:0", "#A:1:0", "1.-1:0", "01.2:0"];
  for (const text of texts) {
    assert.equal(tried(() => ours.ExtendedVersion.parse(text).toString()), tried(() => original.ExtendedVersion.parse(text).toString()), text);
    for (const other of texts) {
      const order = ({ ExtendedVersion: V }) => tried(() => V.parse(text).compare(V.parse(other)));
      assert.deepEqual(order(ours), order(original), `${text} and ${other}`);
    }
  }
});

test("ranges hold the versions that they hold for the original", () => {
  assert.ok(ranges.size > 20);
  // The original orders tags of unlike parts in ways of its own.
  for (const text of [...ranges].filter((range) => !range.includes("-"))) {
    const mine = tried(() => ours.VersionRange.parse(text));
    const theirs = tried(() => original.VersionRange.parse(text));
    assert.equal(mine === "refused", theirs === "refused", `reading ${text}`);
    if (mine === "refused") continue;
    assert.equal(mine.satisfiable(), theirs.satisfiable(), `satisfiable ${text}`);
    assert.equal(mine.toString(), theirs.toString(), `printing ${text}`);
    const normal = mine.normalize();
    for (const version of versions) {
      if (tried(() => original.ExtendedVersion.parse(version)) === "refused" || version.includes("-")) continue;
      const holds = ({ ExtendedVersion: V }, range) => range.satisfiedBy(V.parse(version));
      assert.equal(holds(ours, mine), holds(original, theirs), `${version} in ${text}`);
      assert.equal(holds(ours, normal), holds(original, theirs), `${version} in the normal form of ${text}, ${normal}`);
    }
  }
});

const yes = async () => {};
const info = (sdk, version, migrations) => sdk.VersionInfo.of({ version, releaseNotes: "x", migrations: migrations(sdk) });
const graphs = [
  (sdk) => ({ current: info(sdk, "1.0.0:0", ({ IMPOSSIBLE }) => ({ up: yes, down: IMPOSSIBLE })), other: [] }),
  (sdk) => ({ current: info(sdk, "1.0.0:0", () => ({})), other: [] }),
  (sdk) => ({ current: info(sdk, "1.0.0:0", ({ IMPOSSIBLE }) => ({ up: IMPOSSIBLE, down: IMPOSSIBLE })), other: [] }),
  (sdk) => ({ current: info(sdk, "1.0.0:0", () => ({ other: { "#foo": { up: yes, down: yes } } })), other: [] }),
  (sdk) => ({
    current: info(sdk, "2.0.0:1", ({ IMPOSSIBLE }) => ({ up: yes, down: IMPOSSIBLE })),
    other: [info(sdk, "1.0.0:0", ({ IMPOSSIBLE }) => ({ up: IMPOSSIBLE, down: yes })), info(sdk, "1.5.0:0", () => ({ up: yes, down: yes }))],
  }),
];
const manifest = {
  id: "x",
  title: "X",
  license: "MIT",
  packageRepo: "a",
  upstreamRepo: "b",
  marketingUrl: "c",
  donationUrl: null,
  description: { short: "s", long: "l" },
  volumes: ["main"],
  images: { a: { source: { dockerTag: "x" } }, b: { source: { dockerTag: "y" }, arch: ["aarch64"], emulateMissingAs: null }, c: { source: { dockerTag: "z" }, arch: ["riscv64", "aarch64"] } },
  dependencies: {},
};

test("the manifest is the original's, with the same ways between versions", () => {
  for (const [i, graph] of graphs.entries()) {
    const { canMigrateFrom, canMigrateTo, ...mine } = ours.buildManifest(ours.VersionGraph.of(graph(ours)), manifest);
    const theirs = original.buildManifest(original.VersionGraph.of(graph(original)), manifest);
    for (const version of ["0.9.0:0", "1.0.0:0", "1.2.0:0", "1.5.0:0", "1.7.0:0", "2.0.0:1", "3.0.0:0", "#foo:1.0:0"]) {
      const holds = (range) => original.VersionRange.parse(range).satisfiedBy(original.ExtendedVersion.parse(version));
      assert.equal(holds(canMigrateFrom), holds(theirs.canMigrateFrom), `graph ${i}: from ${version}, ${canMigrateFrom} and ${theirs.canMigrateFrom}`);
      assert.equal(holds(canMigrateTo), holds(theirs.canMigrateTo), `graph ${i}: to ${version}, ${canMigrateTo} and ${theirs.canMigrateTo}`);
    }
    assert.deepEqual(mine, (({ canMigrateFrom: _f, canMigrateTo: _t, ...rest }) => rest)(theirs));
  }
});

test("data go from version to version by the migrations, each written down, and back", async () => {
  const done = [];
  let version = "1.2.0:0";
  const effects = { getDataVersion: async () => version, setDataVersion: async (p) => ((version = p.version), done.push(`at ${p.version}`), null) };
  const step = (name) => async () => void done.push(name);
  const graph = ours.VersionGraph.of({
    current: ours.VersionInfo.of({ version: "2.0.0:0", releaseNotes: "", migrations: { up: step("up 2.0"), down: step("down 2.0") } }),
    other: [
      ours.VersionInfo.of({ version: "1.0.0:0", releaseNotes: "", migrations: { up: step("up 1.0") } }),
      ours.VersionInfo.of({ version: "1.5.0:0", releaseNotes: "", migrations: { up: step("up 1.5"), down: step("down 1.5") } }),
    ],
  });
  await graph.init(effects, "update");
  assert.deepEqual(done.splice(0), ["up 1.5", "at 1.5.0:0", "up 2.0", "at 2.0.0:0", "at 2.0.0:0"]);
  // The host hands over an object of its own class.
  await graph.uninit(effects, original.ExtendedVersion.parse("1.0.0:0"));
  assert.deepEqual(done.splice(0), ["down 2.0", "at 1.5.0:0", "down 1.5", "at 1.0.0:0"]);
  await graph.uninit(effects, original.VersionRange.parse(">=1.0:0"));
  assert.deepEqual(done.splice(0), []);
  await assert.rejects(graph.uninit(effects, original.ExtendedVersion.parse("9.0.0:0")), /cannot migrate from 1.0.0:0 to 9.0.0:0/);
  await graph.uninit(effects, null);
  assert.equal(version, null);
});
