import { Address_Kind as Kind, Interface_Type as Type, type Address, type Host, type Interface, type Verdict } from "@hearthos/api/hearth/hosts/v1/hosts_pb";
import { t } from "../../i18n.svelte.js";
import { replica } from "../../live/index.svelte.js";

/** An interface of a service with the ways to it. */
export interface Way {
  readonly about: Interface;
  /** Id of its host. */
  readonly host: string;
  readonly addresses: readonly Address[];
}

/** What kind of address the page itself is open on. */
export function kindOfHere(hostname: string): Kind {
  if (hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "127.0.0.1" || hostname === "[::1]") return Kind.LOCALHOST;
  if (hostname.endsWith(".local")) return Kind.MDNS;
  if (hostname.startsWith("[")) return Kind.IPV6;
  return /^\d+(\.\d+){3}$/.test(hostname) ? Kind.IPV4 : Kind.UNSPECIFIED;
}

const order = [Kind.MDNS, Kind.PRIVATE_DOMAIN, Kind.PUBLIC_DOMAIN, Kind.IPV4, Kind.IPV6, Kind.LOCALHOST, Kind.SUPPLIED];

/** How well an address suits somebody who is at `hostname`: less is better. */
function rank(address: Address, hostname: string): number {
  const same = address.hostname === hostname ? 0 : address.kind === kindOfHere(hostname) ? 1 : 2 + order.indexOf(address.kind);
  return same * 2 + (address.ssl ? 0 : 1);
}

/** The ways to a service that people can use, the best first; those between services are left out. */
export function waysOf(hosts: readonly Host[], hostname: string): Way[] {
  const ways: Way[] = [];
  for (const host of hosts) {
    const interfaces = Object.values(host.spec?.bindings ?? {})
      .filter((binding) => binding.enabled)
      .flatMap((binding) => Object.values(binding.interfaces));
    for (const about of interfaces) {
      const addresses = (host.status?.addresses ?? [])
        .filter((address) => address.interfaceId === about.id && address.kind !== Kind.BRIDGE)
        .sort((a, b) => rank(a, hostname) - rank(b, hostname));
      ways.push({ about, host: host.meta?.id ?? "", addresses });
    }
  }
  return ways.sort((a, b) => a.about.type - b.about.type || a.about.name.localeCompare(b.about.name));
}

/** Whether an address may be opened by the browser: packages choose schemes, and some schemes run scripts. */
export const opens = (address: Address): boolean => /^https?:\/\//i.test(address.url);

/** Where *Open* leads: the best address of each interface for people. */
export function openings(id: string): { name: string; url: string }[] {
  return waysOf(replica.list("host", id), location.hostname)
    .filter((way) => way.about.type === Type.UI)
    .flatMap((way) => way.addresses.filter(opens).slice(0, 1).map((address) => ({ name: way.about.name, url: address.url })));
}

const kinds: Record<Kind, string> = {
  [Kind.UNSPECIFIED]: "",
  [Kind.IPV4]: "page.address.lan",
  [Kind.IPV6]: "page.address.ipv6",
  [Kind.MDNS]: "page.address.mdns",
  [Kind.LOCALHOST]: "page.address.localhost",
  [Kind.BRIDGE]: "",
  [Kind.PRIVATE_DOMAIN]: "page.address.private",
  [Kind.PUBLIC_DOMAIN]: "page.address.public",
  [Kind.SUPPLIED]: "page.address.supplied",
};

/** What the name in an address is, for people. */
export const kindText = (address: Address): string => (kinds[address.kind] ? t(kinds[address.kind]) : "");

/** The port of an address; where it has none, that of its scheme. */
export const portOf = (address: Address): number => address.port || (address.ssl ? 443 : 80);

/** An interface of a host, or of a range of its ports, with all its addresses: those that are on first. */
export interface Reached {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly internalPort: number;
  readonly range?: { readonly first: number; readonly last: number };
  readonly addresses: readonly Address[];
  /** What the package that supplies an address wants to be told with its actions. */
  readonly infoOf: (address: Address) => unknown;
}

/** All that a host exports, also what is off; the bridge between services is not people's business. */
export function interfacesOf(host: Host): Reached[] {
  const sorted = (list: readonly Address[] = []) => list.filter(({ kind }) => kind !== Kind.BRIDGE).sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  const all = [...sorted(host.status?.addresses), ...sorted(host.status?.addressesOff)];
  const out: Reached[] = [];
  for (const [port, binding] of Object.entries(host.spec?.bindings ?? {})) {
    if (!binding.enabled) continue;
    const infoOf = (address: Address): unknown => {
      const supplied = binding.supplied.find((one) => one.packageId === address.suppliedBy && one.hostname === address.hostname && one.port === address.port);
      try {
        return JSON.parse(new TextDecoder().decode(supplied?.info));
      } catch {
        return null;
      }
    };
    for (const about of Object.values(binding.interfaces)) {
      const addresses = all.filter((address) => address.interfaceId === about.id && address.internalPort === Number(port));
      out.push({ id: about.id, name: about.name, description: about.description, internalPort: Number(port), addresses, infoOf });
    }
  }
  for (const [port, range] of Object.entries(host.spec?.ranges ?? {})) {
    const about = range.rangeInterface;
    if (!range.enabled || about === undefined) continue;
    const first = range.externalStartPort;
    const addresses = all.filter((address) => address.interfaceId === about.id && address.numberOfPorts > 0);
    out.push({ id: about.id, name: about.name, description: about.description, internalPort: Number(port), range: { first, last: first + range.numberOfPorts - 1 }, addresses, infoOf: () => null });
  }
  return out;
}

/** What was found when an address was tried; undefined while it was not. */
export function verdictOf(host: string, address: Address): Verdict | undefined {
  return replica.get("reachability", host)?.status?.verdicts.find((v) => v.hostname === address.hostname && (v.port === address.port || v.port === 0));
}
