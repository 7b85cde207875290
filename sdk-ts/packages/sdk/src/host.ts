import type { Effects } from "./effects.js";
import { Watchable } from "./watch.js";
import type * as W from "./wire.js";

const given = (callback?: () => void) => (callback ? { callback } : {});

/**
 * The address of a package's container, of the caller's where none is named.
 * @example
 * const own = await host.containerIp(effects).once();
 */
export function getContainerIp(effects: Effects, of: { packageId?: string } = {}): Watchable<string> {
  return new Watchable(effects, (callback) => effects.getContainerIp({ ...of, ...given(callback) }));
}
/**
 * How a package stands, the caller's where none is named; null where there is none.
 * @example
 * const tor = await host.status(effects, { packageId: "tor" }).once();
 * assert.equal(tor, null); // it is not installed
 */
export function getStatus(effects: Effects, of: { packageId?: string } = {}): Watchable<W.StatusInfo | null> {
  return new Watchable(effects, (callback) => effects.getStatus({ ...of, ...given(callback) }));
}
/**
 * The server's settings for mail; null while there are none.
 * @example
 * const mail = await host.smtp(effects).once();
 * assert.equal(mail, null); // the server has no settings for mail
 */
export function getSystemSmtp(effects: Effects): Watchable<W.SmtpValue | null> {
  return new Watchable(effects, (callback) => effects.getSystemSmtp(given(callback)));
}
/**
 * The gateway by which the service reaches the world.
 * @example
 * const gateway = await host.gateway(effects).once();
 */
export function getOutboundGateway(effects: Effects): Watchable<string> {
  return new Watchable(effects, (callback) => effects.getOutboundGateway(given(callback)));
}
/**
 * A certificate of the server's authority for names: the leaf, and the two above it.
 * @example
 * const [leaf, intermediate, root] = (await host.certificate(effects, ["page.local"]).once()) ?? [];
 */
export function getSslCertificate(effects: Effects, hostnames: string[], algorithm?: "ecdsa" | "ed25519"): Watchable<[string, string, string]> {
  return new Watchable(effects, (callback) => effects.getSslCertificate({ hostnames, ...(algorithm ? { algorithm } : {}), ...given(callback) }));
}
/**
 * The manifest of a package that is installed; null while it is not.
 * @example
 * const version = await host.manifest(effects, "tor", (manifest) => manifest?.version ?? null).once();
 * assert.equal(version, null); // it is not installed
 */
export function getServiceManifest<Mapped = W.Manifest | null>(
  effects: Effects,
  packageId: string,
  map?: (manifest: W.Manifest | null) => Mapped,
  eq?: (a: Mapped, b: Mapped) => boolean,
): Watchable<W.Manifest | null, Mapped> {
  return new Watchable<W.Manifest | null, Mapped>(
    effects,
    async (callback) => {
      try {
        return await effects.getServiceManifest({ packageId, ...given(callback) });
      } catch (err) {
        if ((err as { late?: unknown }).late) throw err;
        return null;
      }
    },
    { map, eq },
  );
}
