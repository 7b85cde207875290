// The package that the probe depends on: it has what another package can read, watch, mount and run.
import { buildManifest, IMPOSSIBLE, setupManifest, StartSdk, VersionGraph, VersionInfo } from "@start9labs/start-sdk";

const sdkManifest = setupManifest({
  id: "effect-friend",
  title: "Effect friend",
  license: "MIT",
  packageRepo: "https://github.com/hearthos/hearth",
  upstreamRepo: "https://github.com/hearthos/hearth",
  marketingUrl: "https://github.com/hearthos/hearth",
  donationUrl: null,
  description: { short: "What the probe depends on", long: "A package of the compatibility suite." },
  volumes: ["main"],
  images: { main: { source: { dockerTag: "hello-hearth" }, arch: ["x86_64", "aarch64"] } },
  dependencies: {},
  // Members that manifests of earlier SDKs have are of no account (trap 23).
  alerts: { install: "an alert of an earlier SDK" },
} as any);

const sdk = StartSdk.of().withManifest(sdkManifest as any).build(true) as any;

const access = (level: string) => async () => ({
  name: level, description: "An action for others", warning: null, allowedStatuses: "any", group: null, visibility: "enabled", access: level,
});
const answer = (value: string) => async () => ({
  version: "1", title: value, message: null, result: { type: "single", value, copyable: false, qr: false, masked: false },
});
const open = sdk.Action.withoutInput("open", access("public"), answer("open to all"));
const close = sdk.Action.withoutInput("close", access("user"), answer("for people"));
/** Changes what others watch: a port and an interface more, or less. */
const expose = sdk.Action.withoutInput("expose", access("user"), async ({ effects }: any) => {
  await effects.bind({ id: "extra", internalPort: 9001, preferredExternalPort: 9001, addSsl: null, secure: null });
  await effects.exportServiceInterface({
    id: "extra", name: "Extra", description: "", masked: false, type: "api",
    addressInfo: { username: null, hostId: "extra", internalPort: 9001, scheme: "http", sslScheme: null, suffix: "" },
  });
  return answer("exposed")();
});

export const actions = sdk.Actions.of().addAction(open).addAction(close).addAction(expose);
const versionGraph = VersionGraph.of({
  current: VersionInfo.of({ version: "1.0.0:0", releaseNotes: "First.", migrations: { up: async () => {}, down: IMPOSSIBLE } }),
  other: [],
});
const setInterfaces = sdk.setupInterfaces(async ({ effects }: any) => {
  const origin = await sdk.MultiHost.of(effects, "ui").bindPort(8080, { protocol: "http" });
  const ui = sdk.createInterface(effects, {
    id: "ui", name: "UI", description: "", type: "ui", masked: false, schemeOverride: null, username: null, path: "", query: {},
  });
  return [await origin.export([ui])];
});
const prepare = sdk.setupOnInit(async () => {
  await sdk.volumes.main.writeFile("hello", "from a friend");
});

export const { createBackup, restoreInit } = sdk.setupBackups(async () => sdk.Backups.ofVolumes("main"));
export const init = sdk.setupInit(restoreInit, versionGraph, setInterfaces, sdk.setupDependencies(async () => ({})), actions, prepare);
export const uninit = sdk.setupUninit(versionGraph);
export const main = sdk.setupMain(async ({ effects }: any) =>
  sdk.Daemons.of(effects).addDaemon("web", {
    subcontainer: sdk.SubContainer.of(effects, { imageId: "main" }, sdk.Mounts.of(), "web"),
    exec: { command: ["sleep", "infinity"] },
    ready: { display: "Web", fn: async () => ({ result: "success", message: "ready" }) },
    requires: [],
  }),
);
export const manifest = buildManifest(versionGraph, sdkManifest as any);
