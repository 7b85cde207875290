// The package that calls every effect and walks into every trap. What it does by itself, in its init and its main, it
// remembers; the rest is told to it by the test, through its actions.
import { buildManifest, IMPOSSIBLE, setupManifest, StartSdk, VersionGraph, VersionInfo } from "@start9labs/start-sdk";
import { spawnSync } from "node:child_process";
import dns from "node:dns/promises";
import fs from "node:fs";

const id = "effect-probe";
const friend = "effect-friend";
const volume = "/media/startos/volumes/main";

const sdkManifest = setupManifest({
  id,
  title: "Effect probe",
  license: "MIT",
  packageRepo: "https://github.com/hearthos/hearth",
  upstreamRepo: "https://github.com/hearthos/hearth",
  marketingUrl: "https://github.com/hearthos/hearth",
  donationUrl: null,
  description: { short: "Calls every effect", long: "A package of the compatibility suite." },
  volumes: ["main"],
  plugins: ["url-v0"],
  images: { main: { source: { dockerTag: "hello-hearth" }, arch: ["x86_64", "aarch64"] } },
  dependencies: { [friend]: { description: "What is watched, mounted and run", optional: false, metadata: { title: "Effect friend", icon: "icon.svg" } } },
} as any);
const sdk = StartSdk.of().withManifest(sdkManifest as any).build(true) as any;

/** What was seen so far, and which callbacks were called. */
const seen: Record<string, any> = { starts: 0, forms: 0 };
const events: string[] = [];

const own = () => sdk.Mounts.of().mountVolume({ volumeId: "main", subpath: null, mountpoint: "/data", readonly: false });
const sh = (effects: any, mounts: any, script: string) =>
  sdk.SubContainer.withTemp(effects, { imageId: "main" }, mounts, "probe", async (sub: any) => {
    const { stdout, exitCode } = await sub.exec(["sh", "-c", script]);
    return { out: String(stdout).trim(), code: exitCode };
  });
const told = (value: unknown) => ({
  version: "1", title: "Told", message: null,
  result: { type: "single", value: JSON.stringify(value ?? null), copyable: false, qr: false, masked: false },
});
const metadata = (name: string) => async () => ({
  name, description: "For the test", warning: null, allowedStatuses: "any", group: null, visibility: "enabled",
});
const words = sdk.InputSpec.of({ words: sdk.Value.text({ name: "Words", required: true, default: null }) });

/** Calls effects one after the other: the parameters may name what the one before gave, as "$0" and "$1". */
const calls = sdk.Action.withInput("calls", metadata("Call effects"), words, async () => null, async ({ effects, input }: any) => {
  const results: unknown[] = [];
  let last: any = null;
  for (const { effect, params } of JSON.parse(input.words)) {
    const path = effect.split(".").map((p: string) => p.replace(/-([a-z])/g, (_: string, c: string) => c.toUpperCase()));
    const fn = path.reduce((at: any, part: string) => at?.[part], effects);
    const given = JSON.parse(JSON.stringify(params ?? {}).replace(/\$([0-9])/g, (_, i) => String(last?.[i])));
    try {
      results.push({ result: (last = await fn(given)) });
    } catch (err: any) {
      results.push({ error: String(err?.message ?? err), reason: err?.reason });
    }
  }
  return told(results);
});
const say = sdk.Action.withInput("say", metadata("Say"), words, async () => { seen.forms++; return { words: "before" }; },
  async ({ input }: any) => told(input.words));
const events_ = sdk.Action.withoutInput("events", metadata("Events"), async () => told(events));
const look = sdk.Action.withoutInput("look", metadata("Look"), async () => told(seen));

const traps = sdk.Action.withoutInput("traps", metadata("Walk into the traps"), async ({ effects }: any) => {
  const t: Record<string, any> = {};
  const tried = async (name: string, fn: () => Promise<any>) => {
    try { t[name] = await fn(); } catch (err: any) { t[name] = { error: String(err?.message ?? err) }; }
  };
  await tried("spread", async () => ({ ip: await { ...effects }.getOsIp(), keys: Object.keys(effects).length }));
  await tried("child", async () => {
    let left = 0;
    const child = effects.child("one");
    child.onLeaveContext(() => left++);
    const inside = child.isInContext;
    effects.child("one");
    return { inside, after: child.isInContext, left };
  });
  await tried("event", async () => effects.action.run({ actionId: "say", input: { words: "of one event" } }));
  await tried("exports", async () => {
    const before = seen.forms;
    for (let i = 0; i < 20; i++) await effects.action.export({ id: "look", metadata: { ...(await metadata("Look")()), hasInput: false } });
    return seen.forms - before;
  });
  await tried("dns", async () => (await dns.lookup(`${friend}.startos`, { family: 4 })).address);
  await tried("loopback", async () => (await fetch("http://127.0.0.1:80/")).status);
  await tried("uids", async () => {
    await sh(effects, own(), "touch /data/of-root /data/of-user && chown 1000:1000 /data/of-user");
    return [fs.statSync(`${volume}/of-root`).uid, fs.statSync(`${volume}/of-user`).uid];
  });
  await tried("idmap", async () => {
    fs.mkdirSync("/opt/mapped", { recursive: true });
    await effects.mount({ location: "/opt/mapped", target: { packageId: friend, volumeId: "main", subpath: null, readonly: true, idmap: [{ fromId: 0, toId: 1234, range: 1 }] } });
    let write = "written";
    try { fs.writeFileSync("/opt/mapped/x", ""); } catch (err: any) { write = err.code; }
    return { uid: fs.statSync("/opt/mapped/hello").uid, text: fs.readFileSync("/opt/mapped/hello", "utf8"), write };
  });
  await tried("readonly", async () => {
    const mounts = sdk.Mounts.of().mountVolume({ volumeId: "main", subpath: null, mountpoint: "/data", readonly: true });
    return sh(effects, mounts, "echo x > /data/readonly");
  });
  await tried("ephemeral", async () => {
    await sh(effects, sdk.Mounts.of(), "echo x > /root/left");
    return sh(effects, sdk.Mounts.of(), "test -e /root/left");
  });
  await tried("begins", async () => {
    const begun = performance.now();
    await sh(effects, sdk.Mounts.of(), "true");
    return Math.round(performance.now() - begun);
  });
  await tried("inotify", async () => {
    const changed = new Promise<string>((resolve, reject) => {
      const watcher = fs.watch(volume, (_, name) => { if (name === "told") { watcher.close(); resolve("told"); } });
      setTimeout(() => { watcher.close(); reject(new Error("no event")); }, 10_000).unref();
    });
    await sh(effects, own(), "echo x > /data/told");
    return changed;
  });
  await tried("rsync", async () => {
    fs.rmSync("/tmp/from", { recursive: true, force: true });
    fs.mkdirSync("/tmp/from", { recursive: true });
    fs.writeFileSync("/tmp/from/a", "a");
    fs.linkSync("/tmp/from/a", "/tmp/from/b");
    fs.chownSync("/tmp/from/a", 4321, 4321);
    const { status, stderr } = spawnSync("rsync", ["-aAXH", "--numeric-ids", "/tmp/from/", `${volume}/rsynced/`]);
    const [a, b] = [fs.statSync(`${volume}/rsynced/a`), fs.statSync(`${volume}/rsynced/b`)];
    return { status, stderr: String(stderr), linked: a.ino === b.ino, uid: a.uid };
  });
  return told(t);
});

export const actions = sdk.Actions.of().addAction(calls).addAction(say).addAction(events_).addAction(look).addAction(traps);
const versionGraph = VersionGraph.of({
  current: VersionInfo.of({ version: "1.0.0:0", releaseNotes: "First.", migrations: { up: async () => {}, down: IMPOSSIBLE } }),
  other: [],
});
const setInterfaces = sdk.setupInterfaces(async ({ effects }: any) => {
  const origin = await sdk.MultiHost.of(effects, "ui").bindPort(80, { protocol: "http" });
  const ui = sdk.createInterface(effects, {
    id: "ui", name: "UI", description: "", type: "ui", masked: false, schemeOverride: null, username: null, path: "", query: {},
  });
  return [await origin.export([ui])];
});
const setDependencies = sdk.setupDependencies(async () => ({
  [friend]: { kind: "running", versionRange: ">=1.0.0:0", healthChecks: ["web"] },
}));

/** What only an init can see: it is looked at in each of them. */
const observe = sdk.setupOnInit(async (effects: any, kind: unknown) => {
  const needed = ["start-container", "start-cli", "mount", "rsync", "cp", "chattr", "sh", "curl"];
  seen.kind = kind;
  seen.language = process.env["LANG"];
  seen.node = process.versions.node;
  seen.missing = needed.filter((p) => !fs.existsSync(`/usr/bin/${p}`) && !fs.existsSync(`/bin/${p}`));
  seen.bare = String(spawnSync("/usr/bin/start-container", ["get-os-ip"], { env: {} }).stdout).trim();
  const mounts = own().mountDependency({ dependencyId: friend, volumeId: "main", subpath: null, mountpoint: "/friend", readonly: true });
  seen.early = await sh(effects, mounts, "echo $(cat /friend/hello) $(id -u)");
  // A task on an action of its own, and the input of one as SDKs before 2.0 wrote it.
  await effects.action.createTask({
    replayId: "own", packageId: id, actionId: "say", severity: "optional", reason: "because",
    when: { condition: "input-not-matches", once: false }, input: { kind: "partial", value: { words: "after" } },
  });
  await sdk.volumes.main.writeFile("www/index.html", "the probe");
});
const farewell = sdk.setupOnUninit(async (_: any, target: unknown) => {
  fs.writeFileSync(`${volume}/farewell`, JSON.stringify(target ?? null));
});

export const { createBackup, restoreInit } = sdk.setupBackups(async () => sdk.Backups.ofVolumes("main"));
export const init = sdk.setupInit(restoreInit, versionGraph, setInterfaces, setDependencies, actions, observe);
export const uninit = sdk.setupUninit(versionGraph, farewell);

/** What is watched: each callback is called once, however often its value changes. */
const watched: [string, Record<string, unknown>][] = [
  ["getHostInfo", { packageId: friend, hostId: "extra" }],
  ["getServiceInterface", { packageId: friend, serviceInterfaceId: "extra" }],
  ["listServiceInterfaces", { packageId: friend }],
  ["getContainerIp", { packageId: friend }],
  ["getStatus", { packageId: friend }],
  ["getServiceManifest", { packageId: friend }],
  ["getSystemSmtp", {}],
  ["getSslCertificate", { hostnames: [`${id}.startos`] }],
];

export const main = sdk.setupMain(async ({ effects }: any) => {
  seen.starts++;
  events.length = 0;
  for (const [effect, params] of watched) await effects[effect]({ ...params, callback: () => events.push(effect) });
  const web = sdk.SubContainer.of(effects, { imageId: "main" }, own().mountAssets({ subpath: null, mountpoint: "/etc/hello-hearth" }), "web");
  return sdk.Daemons.of(effects).addDaemon("web", {
    subcontainer: web,
    exec: { command: ["lighttpd", "-D", "-f", "/etc/hello-hearth/lighttpd.conf"] },
    ready: { display: "Web", fn: () => sdk.healthCheck.checkPortListening(effects, 80, { successMessage: "ready", errorMessage: "not ready" }) },
    requires: [],
  });
});
export const manifest = buildManifest(versionGraph, sdkManifest as any);
