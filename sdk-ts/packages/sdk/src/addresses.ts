import type { Effects } from "./effects.js";
import type { AddressInfo, BindInfo, Host, HostnameInfo, ServiceInterface } from "./wire.js";
import { Watchable, type WatchOptions } from "./watch.js";

/** The bridge that all services are on. */
const bridge = "lxcbr0";

/** What kind of address: `ip` is both kinds of IP, `bridge` the address other services use. */
export type AddressKind = "mdns" | "domain" | "ip" | "ipv4" | "ipv6" | "localhost" | "link-local" | "bridge" | "plugin";
/**
 * Which addresses: all that is said must hold.
 * @example
 * const wanted: host.Filter = { visibility: "private", kind: ["ip", "mdns"], exclude: { kind: "bridge" } };
 * const reachable = (page: host.Filled): string[] => page.filter(wanted).format();
 */
export interface Filter {
  visibility?: "public" | "private";
  kind?: AddressKind | AddressKind[];
  predicate?: (address: HostnameInfo) => boolean;
  pluginId?: string;
  exclude?: Filter;
}
type Formats = "hostname-info" | "urlstring" | "url";
type Formatted<F extends Formats> = F extends "hostname-info" ? HostnameInfo : F extends "url" ? URL : string;

/** Addresses of something, to be narrowed down and written. */
export interface Filled {
  hostnames: HostnameInfo[];
  toUrl: (address: HostnameInfo) => string;
  format: <F extends Formats = "urlstring">(format?: F) => Formatted<F>[];
  filter: (filter: Filter) => Filled;
  matchesAny: (filters: Filter[]) => Filled;
  /** Without those that only this machine and its services reach. */
  nonLocal: Filled;
  public: Filled;
  bridge: Filled;
}
export type FilledAddressInfo = AddressInfo & Filled;
export type FilledServiceInterface = Omit<ServiceInterface, "addressInfo"> & { addressInfo: FilledAddressInfo };
export type FilledBindInfo = Omit<BindInfo, "interfaces"> & { interfaces: { [id: string]: FilledServiceInterface } };
/** A host of a package, with the addresses of its interfaces ready to be narrowed down and written. */
export type FilledHost = Omit<Host, "bindings"> & { bindings: { [internalPort: number]: FilledBindInfo } };

const isIp = ({ metadata: { kind } }: HostnameInfo) => kind === "ipv4" || kind === "ipv6";

const kinds: Record<AddressKind, (address: HostnameInfo) => boolean> = {
  mdns: ({ metadata }) => metadata.kind === "mdns",
  domain: ({ metadata }) => metadata.kind === "private-domain" || metadata.kind === "public-domain",
  ip: isIp,
  ipv4: ({ metadata }) => metadata.kind === "ipv4",
  ipv6: ({ metadata }) => metadata.kind === "ipv6",
  localhost: ({ hostname }) => ["localhost", "127.0.0.1", "::1"].includes(hostname),
  "link-local": ({ hostname, metadata }) => metadata.kind === "ipv6" && /^fe[89ab]/i.test(hostname),
  bridge: ({ metadata }) => (metadata.kind === "ipv4" || metadata.kind === "ipv6") && metadata.gateway === bridge,
  plugin: ({ metadata }) => metadata.kind === "plugin",
};

function matches(address: HostnameInfo, filter: Filter): boolean {
  const { visibility, kind, predicate, pluginId, exclude } = filter;
  if (visibility && address.public !== (visibility === "public")) return false;
  if (kind && !(Array.isArray(kind) ? kind : [kind]).some((one) => kinds[one](address))) return false;
  if (predicate && !predicate(address)) return false;
  if (pluginId !== undefined && !(address.metadata.kind === "plugin" && address.metadata.packageId === pluginId)) return false;
  return !(exclude && matches(address, exclude));
}

const nonLocal: Filter = { exclude: { kind: ["localhost", "link-local", "bridge"] } };

/** Those that others than this machine and its services reach. */
export function filterNonLocal(addresses: HostnameInfo[]): HostnameInfo[] {
  return addresses.filter((address) => matches(address, nonLocal));
}

const defaultPorts: Record<string, number> = { http: 80, https: 443, ws: 80, wss: 443, ssh: 22, dns: 53 };

/** Writes an address as a URL, or as host and port where there is no scheme. */
export function addressHostToUrl({ scheme, sslScheme, username, suffix }: Pick<AddressInfo, "scheme" | "sslScheme" | "username" | "suffix">, { ssl, hostname, port, metadata }: HostnameInfo): string {
  const used = ssl ? sslScheme : scheme;
  const scope = metadata.kind === "ipv6" && /^fe[89ab]/i.test(hostname) ? `%${metadata.scopeId}` : "";
  const host = hostname.includes(":") ? `[${hostname}${scope}]` : hostname;
  const shown = port === null || (used !== null && defaultPorts[used] === port) ? "" : `:${port}`;
  return `${used === null ? "" : `${used}://`}${username === null ? "" : `${username}@`}${host}${shown}${suffix}`;
}

/** Whether a name in .local leads to an address that is enabled, which is one of its gateways. */
export function mdnsResolvable(address: HostnameInfo, enabled: HostnameInfo[]): boolean {
  const { metadata } = address;
  if (metadata.kind !== "mdns") return true;
  return enabled.some((other) => (other.metadata.kind === "ipv4" || other.metadata.kind === "ipv6") && !other.public && metadata.gateways.includes(other.metadata.gateway));
}

// What people let be used: all but what they switched off, and of public addresses of the machine those they switched on.
function enabledOf({ addresses: { available, enabled, disabled } }: BindInfo): HostnameInfo[] {
  const on = available.filter((address) => {
    if (address.public && isIp(address)) {
      const host = address.metadata.kind === "ipv6" ? `[${address.hostname}]` : address.hostname;
      return enabled.includes(`${host}:${address.port}`);
    }
    return !disabled.some(([hostname, port]) => hostname === address.hostname && port === (address.port ?? 0));
  });
  return on.filter((address) => mdnsResolvable(address, on));
}

function filled(info: AddressInfo, hostnames: HostnameInfo[]): Filled {
  const narrowed = (filter: Filter) => filled(info, hostnames.filter((address) => matches(address, filter)));
  const toUrl = (address: HostnameInfo) => addressHostToUrl(info, address);
  return {
    hostnames,
    toUrl,
    format: <F extends Formats = "urlstring">(format?: F) => {
      if (format === "hostname-info") return hostnames as Formatted<F>[];
      // An address with a scope cannot be written as a URL that programs take.
      return hostnames.flatMap((address): any[] => (format !== "url" ? [toUrl(address)] : URL.canParse(toUrl(address)) ? [new URL(toUrl(address))] : []));
    },
    filter: narrowed,
    matchesAny: (filters) => filled(info, [...new Set(filters.flatMap((filter) => hostnames.filter((address) => matches(address, filter))))]),
    get nonLocal() {
      return narrowed(nonLocal);
    },
    get public() {
      return narrowed({ visibility: "public" });
    },
    get bridge() {
      return narrowed({ kind: "bridge" });
    },
  };
}

/**
 * The addresses at which an interface can be reached.
 * @example
 * const service: wire.Host = { bindings: {}, bindingRanges: {}, publicDomains: {}, privateDomains: {}, portForwards: [] };
 * const page = host.filledAddress(service, { hostId: "ui", internalPort: 80, scheme: "http", sslScheme: "https", username: null, suffix: "" });
 * assert.deepEqual(page.nonLocal.format(), []);
 */
export function filledAddress(host: Host | FilledHost, info: AddressInfo): FilledAddressInfo {
  const binding = host.bindings[info.internalPort] as BindInfo | undefined;
  return Object.defineProperties({ ...info }, Object.getOwnPropertyDescriptors(filled(info, binding ? enabledOf(binding) : []))) as FilledAddressInfo;
}

/** A host, whose interfaces know their addresses. */
export function fillHost(host: Host): FilledHost {
  const bindings: FilledHost["bindings"] = {};
  for (const [port, binding] of Object.entries(host.bindings)) {
    const interfaces: FilledBindInfo["interfaces"] = {};
    for (const [id, one] of Object.entries(binding.interfaces ?? {})) interfaces[id] = { ...one, addressInfo: filledAddress(host, one.addressInfo) };
    bindings[Number(port)] = { ...binding, interfaces };
  }
  return { ...host, bindings };
}

export type HostReader<Mapped = FilledHost | null> = Watchable<FilledHost | null, Mapped>;

/**
 * A host of a package, of the caller's where none is named: its ports, interfaces and addresses.
 * @example
 * const ui = await host.addresses(effects, { hostId: "ui" }, (found) => Object.keys(found?.bindings ?? {})).once();
 * assert.deepEqual(ui, []);
 */
export function getHost<Mapped = FilledHost | null>(
  effects: Effects,
  of: { hostId: string; packageId?: string },
  map?: (host: FilledHost | null) => Mapped,
  eq?: (a: Mapped, b: Mapped) => boolean,
): HostReader<Mapped> {
  const options: WatchOptions<FilledHost | null, Mapped> = { map, eq };
  return new Watchable(effects, async (callback) => {
    const host = await effects.getHostInfo({ ...of, ...(callback ? { callback } : {}) });
    return host && fillHost(host);
  }, options);
}

export interface BridgeAddressOptions {
  hostId: string;
  packageId?: string;
  internalPort: number;
  /** With TLS or without; if not said, without where there is such a port. */
  ssl?: boolean;
  /** The port to assume while the other package has none. */
  fallbackPort?: number | undefined;
}

/**
 * The address, host and port, at which services of this server reach a port of a package; null while there is none.
 * @example
 * // What another service is reached at on the bridge; until it tells its ports, the address that is said.
 * const electrs = await host.bridgeAddress(effects, { packageId: "electrs", hostId: "rpc", internalPort: 50001, fallbackPort: 50001 }).once();
 * assert.equal(electrs, "10.0.3.1:50001");
 */
export function getBridgeAddress(effects: Effects, options: BridgeAddressOptions & { fallbackPort: number }): Watchable<string>;
export function getBridgeAddress(effects: Effects, options: BridgeAddressOptions & { fallbackPort?: undefined }): Watchable<string | null>;
export function getBridgeAddress(effects: Effects, { internalPort, ssl, fallbackPort, ...of }: BridgeAddressOptions): Watchable<any> {
  return new Watchable<string | null>(effects, async (callback) => {
    const host = await effects.getHostInfo({ ...of, ...(callback ? { callback } : {}) });
    const found = (host?.bindings[internalPort]?.addresses.available ?? []).filter((address) => address.metadata.kind === "ipv4" && address.metadata.gateway === bridge && address.port !== null);
    const chosen = found.find((address) => address.ssl === (ssl ?? false)) ?? (ssl === undefined ? found[0] : undefined);
    if (chosen) return `${chosen.hostname}:${chosen.port}`;
    return fallbackPort === undefined ? null : `${await effects.getOsIp()}:${fallbackPort}`;
  });
}
