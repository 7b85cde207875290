import { Address_Kind as Kind, Interface_Type as Type, type Address, type Host, type Interface } from "@hearthos/api/hearth/hosts/v1/hosts_pb";
import { replica } from "../../live/index.svelte.js";

/** An interface of a service with the ways to it. */
export interface Way {
  readonly about: Interface;
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
      ways.push({ about, addresses });
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
