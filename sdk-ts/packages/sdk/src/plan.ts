import type { Backups } from "./backups.js";
import type { Entry } from "./daemons/daemons.js";
import type { VersionText } from "./describe.js";
import type { Effects } from "./effects.js";

/** A part of a service, as tools see it that run nothing. */
export interface PlannedPart {
  id: string;
  image: string | null;
  command: string[];
  env: Record<string, string>;
  /** The volumes of this package that it sees. */
  volumes: string[];
  /** Whether people see how it is. */
  shown: boolean;
}

/** What a package tells tools, as the linter, that look at it and run nothing of it. */
export interface Plan {
  versions: { version: string; up: boolean; down: boolean }[];
  parts(effects: Effects): Promise<PlannedPart[]>;
  /** The volumes of which a backup keeps something. */
  backup(effects: Effects): Promise<string[]>;
}

export function planOf(versions: VersionText[], entries: (effects: Effects) => Promise<readonly Entry[]>, backups: (effects: Effects) => Promise<Backups<any> | string[]>): Plan {
  return {
    versions: versions.map(({ version, up, down }) => ({ version, up: up !== undefined, down: down !== undefined })),
    parts: async (effects) => (await entries(effects)).map(planned),
    backup: async (effects) => {
      const kept = await backups(effects);
      return Array.isArray(kept) ? kept : kept.volumes;
    },
  };
}

function planned(entry: Entry): PlannedPart {
  const shown = "ready" in entry && entry.ready.display !== null;
  if (entry.kind === "health") return { id: entry.id, image: null, command: [], env: {}, volumes: [], shown };
  const { command, env } = entry.exec as { command?: unknown; env?: Record<string, string> };
  const words = Array.isArray(command) ? command.map(String) : typeof command === "string" ? [command] : [];
  const root = entry.subcontainer as { imageId: string; mounts?: { entries: readonly { options: { type: string; volumeId?: string } }[] } | null } | null;
  const volumes = (root?.mounts?.entries ?? []).flatMap(({ options }) => (options.type === "volume" ? [options.volumeId!] : []));
  return { id: entry.id, image: root?.imageId ?? null, command: words, env: { ...env }, volumes: [...new Set(volumes)], shown };
}
