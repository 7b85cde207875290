// Addresses and bindings against the original's.
import assert from "node:assert/strict";
import { test } from "node:test";
import original from "@start9labs/start-sdk";
import * as ours from "@hearthos/sdk/startos";

const at = (hostname, port, ssl, isPublic, metadata) => ({ hostname, port, ssl, public: isPublic, metadata });
const available = [
  at("10.0.3.1", 80, false, false, { kind: "ipv4", gateway: "lxcbr0" }),
  at("10.0.3.1", 443, true, false, { kind: "ipv4", gateway: "lxcbr0" }),
  at("192.168.1.5", 443, true, false, { kind: "ipv4", gateway: "eth0" }),
  at("203.0.113.4", 443, true, true, { kind: "ipv4", gateway: "eth0" }),
  at("203.0.113.4", 80, false, true, { kind: "ipv4", gateway: "eth0" }),
  at("fe80::1", 443, true, false, { kind: "ipv6", gateway: "eth0", scopeId: 2 }),
  at("2001:db8::1", 443, true, true, { kind: "ipv6", gateway: "eth0", scopeId: 0 }),
  at("fd00::1", 8080, false, false, { kind: "ipv6", gateway: "eth0", scopeId: 0 }),
  at("x.local", 443, true, false, { kind: "mdns", gateways: ["eth0"] }),
  at("y.local", 22, false, false, { kind: "mdns", gateways: ["wg0"] }),
  at("a.example", 443, true, true, { kind: "public-domain", gateway: "eth0" }),
  at("b.example", null, true, false, { kind: "private-domain", gateways: ["eth0"] }),
  at("localhost", 80, false, false, { kind: "ipv4", gateway: "lo" }),
  at("127.0.0.1", 80, false, false, { kind: "ipv4", gateway: "lo" }),
  at("abc.onion", 80, false, true, { kind: "plugin", packageId: "tor", removeAction: null, overflowActions: [], info: {} }),
];
const switches = [
  { enabled: [], disabled: [] },
  { enabled: ["203.0.113.4:443", "[2001:db8::1]:443"], disabled: [["fd00::1", 8080], ["a.example", 443]] },
  { enabled: ["203.0.113.4:80"], disabled: [["192.168.1.5", 443], ["fe80::1", 443], ["x.local", 443]] },
];
const infos = [
  { scheme: "http", sslScheme: "https", suffix: "/p?q=1", username: null },
  { scheme: null, sslScheme: null, suffix: "", username: null },
  { scheme: "ssh", sslScheme: null, suffix: "", username: "bob" },
  { scheme: "ws", sslScheme: "wss", suffix: "x", username: null },
];
const looks = [
  (f) => f.format(),
  (f) => f.format("hostname-info"),
  (f) => f.nonLocal.format(),
  (f) => f.public.format(),
  (f) => f.bridge.format(),
  (f) => f.nonLocal.filter({ kind: ["ipv4", "mdns"] }).format(),
  (f) => f.filter({ exclude: { kind: "ip" } }).format(),
  (f) => f.filter({ pluginId: "tor" }).format(),
  (f) => f.filter({ predicate: (h) => h.port === 80 }).format(),
  (f) => f.matchesAny([{ kind: "mdns" }, { visibility: "public" }]).format(),
  ...["mdns", "domain", "ip", "ipv4", "ipv6", "localhost", "link-local", "bridge", "plugin"].map((kind) => (f) => f.filter({ kind }).format()),
];

test("addresses are chosen and written as by the original", () => {
  for (const on of switches) {
    for (const info of infos) {
      const host = { bindings: { 80: { enabled: true, options: {}, net: {}, addresses: { ...on, guaWan: [], available }, interfaces: {} } }, bindingRanges: {}, publicDomains: {}, privateDomains: {}, portForwards: [] };
      const [mine, theirs] = [ours, original].map(({ utils }) => utils.filledAddress(host, { hostId: "h", internalPort: 80, ...info }));
      for (const look of looks) assert.deepEqual(look(mine), look(theirs), `${look} of ${JSON.stringify([on, info])}`);
    }
  }
});

const bindings = [
  ...["http", "https", "ws", "wss", "ssh", "dns"].map((protocol) => ({ protocol })),
  { protocol: "http", preferredExternalPort: 8080 },
  { protocol: "http", addSsl: { preferredExternalPort: 9443, auth: { type: "basic", credentials: [], realm: null } } },
  { protocol: "http", noAddSsl: true },
  { protocol: "https", addSsl: { alpn: "reflect" } },
  { protocol: "ssh", addSsl: {} },
  { protocol: null, preferredExternalPort: 9735, addSsl: null, secure: { ssl: false } },
  { protocol: null, preferredExternalPort: 10009, secure: { ssl: true }, addSsl: { preferredExternalPort: 10009, alpn: "reflect", addXForwardedHeaders: false, auth: null } },
];

async function told({ StartSdk }) {
  const sdk = StartSdk.of().withManifest({ id: "x", volumes: ["main"], images: {}, dependencies: {} }).build(true);
  const calls = [];
  const names = ["bind", "bindRange", "exportServiceInterface", "exportRangeServiceInterface", "clearBindings", "clearServiceInterfaces"];
  // What the original sends beside the contract is ignored by hosts.
  const plain = ({ protocol: _p, ...params }) => (params.addSsl ? { ...params, addSsl: (({ scheme: _s, ...rest }) => rest)(params.addSsl) } : params);
  const effects = Object.fromEntries(names.map((name) => [name, async (params) => void calls.push([name, plain(params)])]));
  await sdk.setupInterfaces(async ({ effects }) => {
    const receipts = [];
    for (const [i, options] of bindings.entries()) {
      const origin = await sdk.MultiHost.of(effects, `h${i}`).bindPort(1000 + i, options);
      const look = { schemeOverride: i % 3 === 1 ? { ssl: "a", noSsl: null } : null, username: i === 2 ? "bob" : null, path: i === 0 ? "/x y" : "", query: i === 0 ? { a: "1 2", b: "ü" } : {} };
      receipts.push(await origin.export([sdk.createInterface(effects, { id: `i${i}`, name: "n", description: "d", type: "ui", masked: false, ...look })]));
    }
    const range = await sdk.MultiHost.of(effects, "r").bindPortRange({ internalStartPort: 50000, externalStartPort: 50000, numberOfPorts: 10 });
    await range.export(sdk.createRangeInterface(effects, { id: "rr", name: "n", description: "d" }));
    return receipts;
  })(effects);
  return calls;
}

test("ports and interfaces are told to the host as by the original", async () => {
  const [mine, theirs] = await Promise.all([told(ours), told(original)]);
  assert.deepEqual(mine, theirs);
});

test("the address on the bridge is the one that the original finds", async () => {
  for (const found of [null, [], available.slice(0, 2), available.slice(1, 2)]) {
    for (const options of [{}, { ssl: true }, { ssl: false }, { fallbackPort: 99 }]) {
      const [mine, theirs] = await Promise.all(
        [ours, original].map(({ StartSdk }) => {
          const sdk = StartSdk.of().withManifest({ id: "x", volumes: [], images: {}, dependencies: {} }).build(true);
          const effects = { isInContext: true, onLeaveContext: () => {}, getOsIp: async () => "10.0.3.1", getHostInfo: async () => found && { bindings: { 80: { addresses: { enabled: [], disabled: [], available: found }, interfaces: {} } } } };
          return sdk.host.getBridgeAddress(effects, { hostId: "h", packageId: "p", internalPort: 80, ...options }).once();
        }),
      );
      assert.equal(mine, theirs, JSON.stringify([found, options]));
    }
  }
});
