/**
 * A package for tests, written with the SDK: its actions call effects as the input says, its main and init read the
 * address of the container with `.const`.
 */
import { existsSync, readFileSync, watch } from "node:fs";
import { buildManifest, IMPOSSIBLE, setupManifest, StartSdk, VersionGraph, VersionInfo } from "@start9labs/start-sdk";

const sdkManifest = setupManifest({
  id: "probe", title: "Probe", license: "MIT", packageRepo: "https://example.com/", upstreamRepo: "https://example.com/",
  marketingUrl: "https://example.com/", donationUrl: null, description: { short: "x", long: "x" },
  volumes: ["main"], images: { main: { source: { dockerTag: "x" } } }, dependencies: {},
});
const sdk = StartSdk.of().withManifest(sdkManifest).build(true);
const current = VersionInfo.of({
  version: "1.0.0:0",
  releaseNotes: "x",
  migrations: { up: async () => {}, down: IMPOSSIBLE },
});
const versionGraph = VersionGraph.of({ current, other: [] });

/** The value of effects at a dotted path. */
function at(effects: any, path: string): any {
  return path.split(".").reduce((value, part) => value[part], effects);
}

const noInput = async () =>
  ({ name: "x", description: "x", warning: null, allowedStatuses: "any", group: null, visibility: "enabled" }) as const;

let calls: { effect: string; params: unknown }[] = [];

/** Calls the effects of the list in calls.json of the volume, and answers with their results. */
const call = sdk.Action.withoutInput("call", noInput, async ({ effects }) => {
  calls = JSON.parse(readFileSync("/media/startos/volumes/main/calls.json", "utf8"));
  const results = [];
  for (const { effect, params } of calls) {
    console.log(`calling ${effect}`);
    try {
      results.push({ result: await at({ ...effects }, effect)(params) });
    } catch (err) {
      results.push({ error: (err as Error).message, reason: (err as { reason?: string }).reason });
    }
  }
  return { version: "1", title: "x", message: JSON.stringify(results), result: null };
});

const fail = sdk.Action.withoutInput("fail", noInput, async () => {
  throw new Error("the disk of the package is sad");
});

const stray = sdk.Action.withoutInput("stray", noInput, async () => {
  void Promise.reject(new Error("nobody waits for this"));
  return null;
});

let held: { close(): void }[] = [];

/** Holds what would wake the code later: a watch of the volume's files that keeps no program alive, and a timer. */
const hold = sdk.Action.withoutInput("hold", noInput, async () => {
  const files = watch("/media/startos/volumes/main", { persistent: false });
  const timer = setTimeout(() => {}, 3_600_000);
  held = [files, { close: () => clearTimeout(timer) }];
  return null;
});

/** Lets go of the newest thing that hold holds. */
const release = sdk.Action.withoutInput("release", noInput, async () => {
  held.pop()!.close();
  return null;
});

/** Takes words alone, by a pattern of its own that goes back and forth in those that are none. */
const words = sdk.Action.withInput(
  "words",
  noInput,
  sdk.InputSpec.of({ words: sdk.Value.text({ name: "Words", required: true, default: null }) }),
  async () => null,
  async ({ input }) => {
    if (!/^([a-z]+ ?)+$/.test(input.words)) throw new Error("these are no words");
    return null;
  },
);

export const actions = sdk.Actions.of().addAction(words).addAction(call).addAction(fail).addAction(stray).addAction(hold).addAction(release);

const watching = sdk.setupOnInit(async (effects) => {
  const host = await sdk.host.getOwn(effects, "ui", (h: unknown) => h !== null).const();
  console.log(`init sees a host: ${host}`);
});

export const init = sdk.setupInit(versionGraph, actions, watching);
export const uninit = sdk.setupUninit(versionGraph);

export const main = sdk.setupMain(async ({ effects }) => {
  const ip = await sdk.getContainerIp(effects, { packageId: "other" }).const();
  console.log(`main sees ${ip}`);
  watch("/media/startos/volumes/main", { persistent: false }); // and never closes it, as the SDK's own files do not
  return sdk.Daemons.of(effects).addHealthCheck("probe", {
    ready: { display: "Probe", fn: () => ({ result: "success", message: `at ${ip}` }) },
    requires: [],
  });
});

/** Freezing is a line in the log; it fails while the volume has a file "busy". */
const quiet = {
  freeze: async () => {
    console.log("frozen");
    if (existsSync("/media/startos/volumes/main/busy")) throw new Error("the data are busy");
    return { apart: true };
  },
  thaw: async () => console.log("thawed"),
};
const { createBackup: whole } = sdk.setupBackups(async () => sdk.Backups.ofVolumes("main"));
/** Of volumes that lie elsewhere it tells where. */
const make = async ({ effects, volumes }: { effects: Parameters<typeof whole>[0]["effects"]; volumes?: string }) => (volumes === undefined ? whole({ effects }) : console.log(`a backup of ${volumes}`));
export const createBackup = Object.assign(make, quiet);
export const manifest = buildManifest(versionGraph, sdkManifest);
