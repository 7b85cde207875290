import type { Effects } from "@hearthos/sdk/effects";
import { MultiHost, ServiceInterfaceBuilder, type BindOptionsByProtocol } from "@hearthos/sdk/interfaces";
import type { Interface, Manifest } from "./manifest.js";

const https = 443;

/** Binds the ports of the interfaces and shows them to people; those of before that are no more go. */
export async function tellNetwork(effects: Effects, manifest: Manifest): Promise<void> {
  const bound: { id: string; internalPort: number }[] = [];
  const shown: string[] = [];
  for (const [hostId, one] of manifest.interfaces) {
    for (const port of portsOf(one)) {
      const origin = await new MultiHost({ effects, id: hostId }).bindPort(port, optionsOf(one, port));
      bound.push({ id: hostId, internalPort: port });
      const id = `${hostId}-${port}`;
      shown.push(id);
      const type = one.ui && origin.scheme === "http" ? ("ui" as const) : ("api" as const);
      await origin.export([new ServiceInterfaceBuilder({ effects, id, name: one.name, description: one.description, type, username: null, path: "", query: {}, schemeOverride: null, masked: false })]);
    }
  }
  await effects.clearBindings({ except: bound });
  await effects.clearServiceInterfaces({ except: shown });
}

function portsOf({ tor, lan }: Interface): number[] {
  return [...new Set([...tor.values(), ...[...lan.values()].map(({ internal }) => internal)])];
}

function optionsOf({ tor, lan }: Interface, port: number): BindOptionsByProtocol {
  const outside = [...lan].find(([, to]) => to.internal === port);
  const onion = [...tor].find(([, internal]) => internal === port)?.[0];
  if (outside?.[0] === https && outside[1].ssl) return { protocol: "http", preferredExternalPort: 80 };
  const preferredExternalPort = onion ?? outside?.[0] ?? port;
  if (!outside) return { protocol: null, preferredExternalPort, addSsl: null, secure: null };
  if (!outside[1].ssl) return { protocol: null, preferredExternalPort: outside[0], addSsl: null, secure: { ssl: false } };
  const addSsl = { preferredExternalPort: outside[0], addXForwardedHeaders: false, alpn: { specified: ["http/1.1"] }, auth: null };
  return { protocol: null, preferredExternalPort, addSsl, secure: null };
}
