import { mkdir } from "node:fs/promises";
import type { Effects } from "@hearthos/sdk/effects";
import { mountBackupTarget } from "@hearthos/sdk/dumps";
import { Mounts } from "@hearthos/sdk/mounts";
import { MadeSubContainer } from "@hearthos/sdk/subcontainer";
import { log } from "../log.js";
import { backupVolume, type DockerProcedure, type Manifest } from "./manifest.js";

/**
 * Makes the root of a command: its image, with the volumes where it says. A volume of a package that is not installed is an
 * empty folder there, as it was with StartOS 0.3. Volumes that the manifest does not know are left out.
 */
export async function makeRoot(effects: Effects, manifest: Manifest, procedure: DockerProcedure, name: string): Promise<MadeSubContainer> {
  let fixed = Mounts.of();
  for (const [id, mountpoint] of Object.entries(procedure.mounts)) {
    const volume = manifest.volumes.get(id);
    if (volume?.type === "data") fixed = fixed.mountVolume({ volumeId: id, subpath: null, mountpoint, readonly: volume.readonly });
    else if (volume?.type === "assets") fixed = fixed.mountAssets({ subpath: id, mountpoint });
  }
  const root = await MadeSubContainer.make(effects, { imageId: procedure.image }, fixed, name);
  try {
    for (const [id, mountpoint] of Object.entries(procedure.mounts)) await mountMore(effects, manifest, root, id, mountpoint);
    return root;
  } catch (err) {
    await root.destroy().catch(() => {});
    throw err;
  }
}

async function mountMore(effects: Effects, manifest: Manifest, root: MadeSubContainer, id: string, mountpoint: string): Promise<void> {
  if (id === backupVolume) return mountBackupTarget(root.rootfs, mountpoint);
  const volume = manifest.volumes.get(id);
  if (volume?.type === "backup") return mountBackupTarget(root.rootfs, mountpoint);
  if (volume?.type === "certificate") return writeCertificate(effects, manifest, root, mountpoint, volume.interfaceId);
  if (volume?.type !== "pointer") return;
  const { packageId, volumeId, path, readonly } = volume;
  try {
    await root.mount(Mounts.of().mountDependency({ dependencyId: packageId, volumeId, subpath: path.replace(/^\/+/, "") || null, mountpoint, readonly }));
  } catch (err) {
    log(`the volume ${volumeId} of ${packageId} cannot be seen at ${mountpoint}`, err);
    await mkdir(root.subpath(mountpoint), { recursive: true });
  }
}

async function writeCertificate(effects: Effects, manifest: Manifest, root: MadeSubContainer, mountpoint: string, interfaceId: string): Promise<void> {
  const host = await effects.getHostInfo({ hostId: interfaceId });
  const named = Object.values(host?.bindings ?? {}).flatMap(({ addresses }) => addresses.available.map(({ hostname }) => hostname));
  const hostnames = [...new Set([`${manifest.id}.embassy`, ...named])];
  const [chain, key] = [await effects.getSslCertificate({ hostnames }), await effects.getSslKey({ hostnames })];
  await root.writeFile(`${mountpoint}/${interfaceId}.cert.pem`, chain.join("\n"));
  await root.writeFile(`${mountpoint}/${interfaceId}.key.pem`, key, { mode: 0o600 });
}
