import type { Effects } from "./effects.js";
import type * as W from "./wire.js";

export type Scheme = string | null;
const web = { defaultPort: 80, secure: null, withSsl: true, forwarded: true } as const;
const webTls = { defaultPort: 443, secure: { ssl: true }, withSsl: true, forwarded: true } as const;
const other = { secure: { ssl: false }, withSsl: false, forwarded: false } as const;
const protocols = {
  http: { ...web, tls: "https" },
  https: { ...webTls, tls: "https" },
  ws: { ...web, tls: "wss" },
  wss: { ...webTls, tls: "wss" },
  ssh: { ...other, defaultPort: 22, tls: null },
  dns: { ...other, defaultPort: 53, tls: null },
} as const;
export type Protocol = keyof typeof protocols;

/** How a port is to be reached: by a protocol that is known, or (null) as it is said. */
export type BindOptionsByProtocol =
  | {
      protocol: Protocol;
      preferredExternalPort?: number;
      /** What is special about the TLS that the server adds. */
      addSsl?: Partial<W.AddSslOptions>;
      /** The server is to add no TLS. */
      noAddSsl?: boolean;
    }
  | (W.BindOptions & { protocol: null });

export interface RangeOptions {
  internalStartPort: number;
  externalStartPort: number;
  numberOfPorts: number;
}
export const MAX_BIND_PORT_RANGE_SIZE = 500;

/** What says that addresses have been told to the host. */
export type AddressReceipt = { readonly [receipt]: never };
declare const receipt: unique symbol;

/**
 * A host of the package: a name for ports that are reached at the same addresses.
 * @example
 * const origin = await new MultiHost({ effects, id: "ui" }).bindPort(80, { protocol: "http" });
 * assert.equal(origin.build({ username: null, path: "/admin", query: {}, schemeOverride: null }).suffix, "/admin");
 */
export class MultiHost {
  constructor(readonly options: { effects: Effects; id: string }) {}

  /** Has a port of the service reached from outside. */
  async bindPort(internalPort: number, options: BindOptionsByProtocol): Promise<Origin> {
    const { effects, id } = this.options;
    const { protocol } = options;
    if (protocol === null) {
      const { preferredExternalPort, addSsl, secure } = options;
      await effects.bind({ id, internalPort, preferredExternalPort, addSsl, secure });
      return new Origin(this, internalPort, null, null);
    }
    const known = protocols[protocol];
    const wanted = (known.withSsl || options.addSsl) && !options.noAddSsl;
    const addSsl: W.AddSslOptions | null = wanted
      ? { addXForwardedHeaders: known.forwarded, preferredExternalPort: 443, alpn: known.secure === null ? { specified: ["http/1.1"] } : null, auth: null, ...options.addSsl }
      : null;
    await effects.bind({ id, internalPort, preferredExternalPort: options.preferredExternalPort ?? known.defaultPort, addSsl, secure: known.secure });
    return new Origin(this, internalPort, protocol, addSsl ? known.tls : null);
  }

  /** Has a range of ports reached from outside, for TCP and UDP, each at the same distance from the first. */
  async bindPortRange(options: RangeOptions): Promise<RangeOrigin> {
    const { effects, id } = this.options;
    const { internalStartPort, externalStartPort, numberOfPorts } = options;
    if (!Number.isInteger(numberOfPorts) || numberOfPorts < 2 || numberOfPorts > MAX_BIND_PORT_RANGE_SIZE) throw new Error(`a range has 2 to ${MAX_BIND_PORT_RANGE_SIZE} ports`);
    for (const start of [internalStartPort, externalStartPort]) {
      if (!Number.isInteger(start) || start <= 1024 || start + numberOfPorts - 1 > 65535) throw new Error("the ports of a range lie above 1024 and below 65536");
    }
    await effects.bindRange({ id, internalStartPort, externalStartPort, numberOfPorts });
    return new RangeOrigin(this, internalStartPort, externalStartPort, numberOfPorts);
  }
}

export interface InterfaceOptions {
  effects: Effects;
  id: string;
  name: string;
  description: string;
  type: W.ServiceInterfaceType;
  username: string | null;
  path: string;
  query: Record<string, string>;
  schemeOverride: { ssl: Scheme; noSsl: Scheme } | null;
  masked: boolean;
}
/**
 * What people see of a port: a page, an interface for programs, or one for others of its kind.
 * @example
 * const origin = await new MultiHost({ effects, id: "ui" }).bindPort(80, { protocol: "http" });
 * await origin.export([new ServiceInterfaceBuilder({ effects, id: "ui", name: "Page", description: "The page", type: "ui", username: null, path: "", query: {}, schemeOverride: null, masked: false })]);
 * assert.equal(testHost.interfaces.get("ui")?.name, "Page");
 */
export class ServiceInterfaceBuilder {
  constructor(readonly options: InterfaceOptions) {}
}

/** A port that is bound. */
export class Origin {
  constructor(
    readonly host: MultiHost,
    readonly internalPort: number,
    readonly scheme: string | null,
    readonly sslScheme: string | null,
  ) {}

  build({ username, path, query, schemeOverride }: Pick<InterfaceOptions, "username" | "path" | "query" | "schemeOverride">): W.AddressInfo {
    const asked = Object.entries(query).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
    return {
      hostId: this.host.options.id,
      internalPort: this.internalPort,
      scheme: schemeOverride ? schemeOverride.noSsl : this.scheme,
      sslScheme: schemeOverride ? schemeOverride.ssl : this.sslScheme,
      suffix: path + (asked === "" ? "" : `?${asked}`),
      username,
    };
  }

  /** Shows interfaces of the port to people. */
  async export(interfaces: ServiceInterfaceBuilder[]): Promise<W.AddressInfo[] & AddressReceipt> {
    const told: W.AddressInfo[] = [];
    for (const { options } of interfaces) {
      const { effects, id, name, description, type, masked } = options;
      const addressInfo = this.build(options);
      await effects.exportServiceInterface({ id, name, description, type, masked, addressInfo });
      told.push(addressInfo);
    }
    return told as W.AddressInfo[] & AddressReceipt;
  }
}

/**
 * What people see of a range of ports.
 * @example
 * const range = await new MultiHost({ effects, id: "media" }).bindPortRange({ internalStartPort: 50000, externalStartPort: 50000, numberOfPorts: 20 });
 * await range.export(new RangeInterfaceBuilder({ effects, id: "media", name: "Media", description: "Sound and picture" }));
 */
export class RangeInterfaceBuilder {
  constructor(readonly options: { effects: Effects; id: string; name: string; description: string; scheme?: string | null }) {}
}

/** A range of ports that is bound. */
export class RangeOrigin {
  #exported = false;

  constructor(
    readonly host: MultiHost,
    readonly internalStartPort: number,
    readonly externalStartPort: number,
    readonly numberOfPorts: number,
  ) {}

  /** Shows the range to people; it can be one interface only. */
  async export({ options }: RangeInterfaceBuilder): Promise<void> {
    if (this.#exported) throw new Error("a range of ports can be one interface only");
    this.#exported = true;
    const { effects, id, name, description, scheme } = options;
    await effects.exportRangeServiceInterface({ hostId: this.host.options.id, internalStartPort: this.internalStartPort, id, name, description, scheme: scheme ?? null });
  }
}

export type InterfacesReceipt = (W.AddressInfo[] & AddressReceipt)[];
export type SetInterfaces<Output extends InterfacesReceipt> = (options: { effects: Effects }) => Promise<Output>;
export type UpdateInterfaces = (effects: Effects) => Promise<null>;

/**
 * The step of the init that tells the host all ports and interfaces; those of before that are not told again go.
 * @example
 * const setInterfaces = setupInterfaces(async ({ effects }) => {
 *   const origin = await new MultiHost({ effects, id: "api" }).bindPort(8080, { protocol: "http" });
 *   return [await origin.export([new ServiceInterfaceBuilder({ effects, id: "api", name: "API", description: "For programs", type: "api", username: null, path: "", query: {}, schemeOverride: null, masked: false })])];
 * });
 * await setInterfaces(effects);
 * assert.equal(testHost.interfaces.get("api")?.type, "api");
 */
export function setupInterfaces<Output extends InterfacesReceipt>(fn: SetInterfaces<Output>): UpdateInterfaces {
  return async (effects) => {
    const bindings: { id: string; internalPort: number }[] = [];
    const interfaces: string[] = [];
    const noting: Effects = {
      ...effects,
      bind: (params) => (bindings.push({ id: params.id, internalPort: params.internalPort }), effects.bind(params)),
      bindRange: (params) => (bindings.push({ id: params.id, internalPort: params.internalStartPort }), effects.bindRange(params)),
      exportServiceInterface: (params) => (interfaces.push(params.id), effects.exportServiceInterface(params)),
      exportRangeServiceInterface: (params) => (interfaces.push(params.id), effects.exportRangeServiceInterface(params)),
    };
    await fn({ effects: noting });
    await effects.clearBindings({ except: bindings });
    await effects.clearServiceInterfaces({ except: interfaces });
    return null;
  };
}

/** The step of the init of a plugin that tells the host all URLs it has made; those that are not told again go. */
export function setupExportedUrls(fn: (options: { effects: Effects }) => Promise<void>): UpdateInterfaces {
  return async (effects) => {
    const except: W.PluginHostnameInfo[] = [];
    const url: Effects["plugin"]["url"] = { ...effects.plugin.url, exportUrl: (params) => (except.push(params.hostnameInfo), effects.plugin.url.exportUrl(params)) };
    await fn({ effects: { ...effects, plugin: { ...effects.plugin, url } } });
    await effects.plugin.url.clearUrls({ except });
    return null;
  };
}
