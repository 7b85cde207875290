import { Daemons } from "./daemons/daemons.js";
import { checkPortListening, checkWebUrl, runHealthScript, type HealthCheckResult } from "./daemons/checks.js";
import { UseEntrypoint, type CommandOptions } from "./daemons/command.js";
import type { Ready } from "./daemons/unit.js";
import type { MountText, PartText, ReadyOptions } from "./describe.js";
import type { Effects } from "./effects.js";
import { Mounts } from "./mounts.js";
import { LazySubContainer, type SubContainer } from "./subcontainer.js";

type Part = PartText<string, string, string>;

// A member that is misspelt would be none, and a service without its mount keeps nothing.
const members: { [Member in keyof Part]-?: true } = {
  image: true, command: true, mounts: true, env: true, user: true, cwd: true, after: true, signal: true, patience: true, from: true, asInit: true, once: true, ready: true,
};

/**
 * Makes the parts of a service of what is said of them. Each has a root of its own; those that others wait for come first. A mount of
 * a volume that is not among those given is refused: what is written there would go with the root.
 */
export function daemonsOf(effects: Effects, parts: Record<string, Part>, volumes?: readonly string[]): Daemons<any> {
  let daemons = Daemons.of({ effects }) as Daemons<any>;
  for (const id of ordered(parts)) {
    const part = parts[id]!;
    const odd = Object.keys(part).find((member) => !Object.hasOwn(members, member));
    if (odd !== undefined) throw new Error(`the part ${id} has no member ${odd}: there are ${Object.keys(members).join(", ")}`);
    const mounts = mountsOf(part.mounts ?? {});
    for (const { mountpoint, options } of mounts.entries) {
      if (options.type === "volume" && volumes && !volumes.includes(options.volumeId)) throw new Error(`the part ${id} mounts the volume ${options.volumeId} at ${mountpoint}, and the package has ${volumes.join(", ")}`);
    }
    const subcontainer = new LazySubContainer<string>(effects, { imageId: part.image }, mounts, id);
    const exec = commandOf(part);
    const common = { subcontainer, exec, requires: part.after ?? [] };
    daemons = part.once ? (daemons as any).addOneshot(id, common) : (daemons as any).addDaemon(id, { ...common, ready: readyOf(effects, subcontainer, part.ready, exec) });
  }
  return daemons;
}

function ordered(parts: Record<string, Part>): string[] {
  const done: string[] = [];
  const visit = (id: string, above: string[]) => {
    if (above.includes(id)) throw new Error(`the parts ${[...above, id].join(", ")} wait for each other`);
    const part = parts[id];
    if (!part) throw new Error(`there is no part ${id}, for which ${above.at(-1)} waits`);
    for (const before of part.after ?? []) visit(before, [...above, id]);
    if (!done.includes(id)) done.push(id);
  };
  for (const id of Object.keys(parts)) visit(id, []);
  return done;
}

function commandOf({ command, env, user, cwd, signal, patience, from, asInit }: Part): CommandOptions {
  const revealed = Object.entries(env ?? {}).map(([name, value]) => [name, typeof value === "object" && value !== null ? value.reveal() : (value ?? undefined)]);
  return {
    command: command ?? new UseEntrypoint(),
    env: Object.fromEntries(revealed) as Record<string, string>,
    ...(user === undefined ? {} : { user }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(signal === undefined ? {} : { stopSignal: signal }),
    ...(patience === undefined ? {} : { sigtermTimeout: patience * 1000 }),
    ...(from === undefined ? {} : { from }),
    ...(asInit ? { runAsInit: true } : {}),
  };
}

function mountsOf(all: Record<string, MountText<string>>): Mounts<string> {
  let mounts = Mounts.of<string>();
  for (const [mountpoint, text] of Object.entries(all)) {
    if (typeof text === "string") {
      const [volumeId, ...folder] = text.split("/");
      mounts = mounts.mountVolume({ volumeId: volumeId!, subpath: folder.join("/") || null, mountpoint, readonly: false });
    } else if ("assets" in text) mounts = mounts.mountAssets({ subpath: text.assets || null, mountpoint, type: "infer" });
    else if ("from" in text) mounts = mounts.mountDependency({ dependencyId: text.from, volumeId: text.volume, subpath: text.folder ?? null, mountpoint, readonly: text.readonly ?? true });
    else mounts = mounts.mountVolume({ volumeId: text.volume, subpath: text.file ?? text.folder ?? null, mountpoint, readonly: text.readonly ?? false, type: text.file === undefined ? "directory" : "file" });
  }
  return mounts;
}

function readyOf(effects: Effects, subcontainer: SubContainer<any>, ready: ReadyOptions, { env = {}, cwd, user }: CommandOptions): Ready {
  const name = ready.name ?? "The service";
  const successMessage = ready.well ?? `${name} is ready`;
  const errorMessage = ready.ill ?? `${name} is not ready`;
  const fn = (): Promise<HealthCheckResult> | HealthCheckResult => {
    if ("port" in ready) return checkPortListening(effects, ready.port, { successMessage, errorMessage });
    if ("url" in ready) return checkWebUrl(effects, ready.url, { successMessage, errorMessage });
    if ("command" in ready) {
      const where = { env, ...(cwd === undefined ? {} : { cwd }), ...(user === undefined ? {} : { user }) };
      return runHealthScript(ready.command, subcontainer, { errorMessage, message: () => successMessage, where });
    }
    return ready.check();
  };
  return { display: ready.name ?? null, fn, ...(ready.grace === undefined ? {} : { gracePeriod: ready.grace * 1000 }), ...(ready.every ? { trigger: ready.every } : {}) };
}
