// The package that the probe depends on: it has what another package can read, watch, mount and run.
import { createHash } from "node:crypto";
import http from "node:http";
import https from "node:https";
import type { Duplex } from "node:stream";
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

/** Opens a port to networks of which the front door reads nothing. */
const raw = sdk.Action.withoutInput("raw", access("user"), async ({ effects }: any) => {
  await effects.bind({ id: "raw", internalPort: 9002, preferredExternalPort: 9002, addSsl: null, secure: { ssl: false } });
  await effects.exportServiceInterface({
    id: "raw", name: "Raw", description: "", masked: false, type: "api",
    addressInfo: { username: null, hostId: "raw", internalPort: 9002, scheme: "tcp", sslScheme: null, suffix: "" },
  });
  return answer("opened")();
});

export const actions = sdk.Actions.of().addAction(open).addAction(close).addAction(expose).addAction(raw);
const versionGraph = VersionGraph.of({
  current: VersionInfo.of({ version: "1.0.0:0", releaseNotes: "First.", migrations: { up: async () => {}, down: IMPOSSIBLE } }),
  other: [],
});
const setInterfaces = sdk.setupInterfaces(async ({ effects }: any) => {
  const origin = await sdk.MultiHost.of(effects, "ui").bindPort(8080, { protocol: "http" });
  const ui = sdk.createInterface(effects, {
    id: "ui", name: "UI", description: "", type: "ui", masked: false, schemeOverride: null, username: null, path: "", query: {},
  });
  const receipt = await origin.export([ui]);
  await bindGuarded(effects);
  await bindRelay(effects);
  return [receipt];
});
const prepare = sdk.setupOnInit(async () => {
  await sdk.volumes.main.writeFile("hello", "from a friend");
});

export const { createBackup, restoreInit } = sdk.setupBackups(async () => sdk.Backups.ofVolumes("main"));
export const init = sdk.setupInit(restoreInit, versionGraph, setInterfaces, sdk.setupDependencies(async () => ({})), actions, prepare);
export const uninit = sdk.setupUninit(versionGraph);
/** Answers a websocket with what it says, frame by frame; its messages are short ones. */
const echo = (req: http.IncomingMessage, socket: Duplex) => {
  const accept = createHash("sha1").update(`${req.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  let rest = Buffer.alloc(0);
  socket.on("error", () => socket.destroy()).on("data", (data: Buffer) => {
    rest = Buffer.concat([rest, data]);
    for (let size = 0; rest.length >= 6 && rest.length >= 6 + (size = rest[1] & 0x7f); rest = rest.subarray(6 + size)) {
      const text = rest.subarray(6, 6 + size).map((byte, i) => byte ^ rest[2 + (i % 4)]);
      socket.write(Buffer.concat([Buffer.from([rest[0], size]), text]));
      if ((rest[0] & 0x0f) === 8) socket.end();
    }
  });
};

/** A certificate of nobody who is here. */
const foreign = `-----BEGIN CERTIFICATE-----
MIIBezCCASGgAwIBAgIUD9eEXKUwpGIPkTrUltWqrBWuTLYwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHZm9yZWlnbjAgFw0yNjExMjcwMDM0MDFaGA8yMTI2MTEwMzAw
MzQwMVowEjEQMA4GA1UEAwwHZm9yZWlnbjBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABPCcdh7xhmmmKYDGn1cEdnjh7VmnM/VfK3+CNpRl0DHtI0EIhGphEwYAn3Hm
+A6dTJFcES4S9GxoQ0qOguJdngijUzBRMB0GA1UdDgQWBBRAKSIjuiOdw1FQZbOb
4NjwPVb3SzAfBgNVHSMEGDAWgBRAKSIjuiOdw1FQZbOb4NjwPVb3SzAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCICuiVvKVkHSUZZGIrFSNcBxqdbY6
/PSwCZqWJ5IkqfCdAiEAjev7aDnv5WbTkGsot1zrgQSC3/h3765aTebrxdtnoNo=
-----END CERTIFICATE-----
`;

/** The page, which is served by the code of the package itself, plain and with a certificate of the server's. */
const serve = async (effects: any) => {
  const page = (req: http.IncomingMessage, answer: http.ServerResponse) =>
    answer.end(`hello from a friend\nuser=${req.headers["x-forwarded-user"] ?? ""} proto=${req.headers["x-forwarded-proto"] ?? ""}\n`);
  const names = { hostnames: ["effect-friend.startos"] };
  const cert = (await effects.getSslCertificate(names)).join("");
  const secured = https.createServer({ cert, key: await effects.getSslKey(names) }, page).listen(8443);
  const plain = http.createServer(page).on("upgrade", echo).listen(8080);
  effects.onLeaveContext(() => [plain, secured].forEach((server) => server.close()));
};

/** A range of ports that leads to the page. */
const bindRelay = async (effects: any) => {
  await effects.bindRange({ id: "relay", internalStartPort: 8080, externalStartPort: 47300, numberOfPorts: 2 });
  await effects.exportRangeServiceInterface({ hostId: "relay", internalStartPort: 8080, id: "relay", name: "Relay", description: "", scheme: "http" });
};

/** Hosts whose callers must know a secret, and hosts whose certificate is looked at. */
const bindGuarded = async (effects: any) => {
  const [, intermediate] = await effects.getSslCertificate({ hostnames: ["effect-friend.startos"] });
  const gates: [string, number, object][] = [
    ["basic", 8080, { auth: { type: "basic", credentials: [{ username: "ada", password: "open sesame" }], realm: "Friend" } }],
    ["bearer", 8080, { auth: { type: "bearer", tokens: ["open barley"], realm: null } }],
    ["closed", 8080, { auth: { type: "bearer", tokens: [], realm: null } }],
    ["checked", 8443, {}],
    ["pinned", 8443, { upstreamCertValidation: { certificate: intermediate } }],
    ["mistaken", 8443, { upstreamCertValidation: { certificate: foreign } }],
    ["unchecked", 8443, { upstreamCertValidation: "disable" }],
  ];
  for (const [id, internalPort, more] of gates) {
    const addSsl = { preferredExternalPort: 443, addXForwardedHeaders: internalPort === 8443, alpn: null, auth: null, ...more };
    await effects.bind({ id, internalPort, preferredExternalPort: internalPort, addSsl, secure: internalPort === 8443 ? { ssl: true } : null });
    await effects.exportServiceInterface({
      id, name: id, description: "", masked: false, type: "api",
      addressInfo: { username: null, hostId: id, internalPort, scheme: "http", sslScheme: "https", suffix: "" },
    });
  }
};

export const main = sdk.setupMain(async ({ effects }: any) => {
  await serve(effects);
  return sdk.Daemons.of(effects).addDaemon("web", {
    subcontainer: sdk.SubContainer.of(effects, { imageId: "main" }, sdk.Mounts.of(), "web"),
    exec: { command: ["sleep", "infinity"] },
    ready: { display: "Web", fn: async () => ({ result: "success", message: "ready" }) },
    requires: [],
  });
});
export const manifest = buildManifest(versionGraph, sdkManifest as any);
