import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { succeed } from "./commands.js";
import { mysqlDump, pgDump, type DumpHooks, type MysqlDumpConfig, type PgDumpConfig } from "./dumps.js";
import type { Effects } from "./effects.js";
import type { BackupEffects, BackupHook } from "./hooks.js";
import type { InitKind, InitScript } from "./init.js";
import { place } from "./places.js";
import { FullProgressTracker, type PhaseHandle } from "./progress.js";

export interface SyncOptions {
  /** Whether what is no more at the source goes at the target. */
  delete: boolean;
  /** Patterns of rsync for what is left out. */
  exclude: string[];
}
export const DEFAULT_OPTIONS: SyncOptions = { delete: true, exclude: [] };
export const DEFAULT_SYNC_WEIGHT = 80;
export const DEFAULT_HOOK_WEIGHT = 10;

export interface BackupSync<Volume extends string> {
  dataPath: `/media/startos/volumes/${Volume}/${string}`;
  backupPath: `/media/startos/backup/${string}`;
  options?: Partial<SyncOptions>;
  backupOptions?: Partial<SyncOptions>;
  restoreOptions?: Partial<SyncOptions>;
  /** Its share of the progress. */
  weight?: number;
}
type HookName = "preBackup" | "postBackup" | "preRestore" | "postRestore";
interface Hook {
  fn: BackupHook;
  weight: number;
}
type Shape = { images: Record<string, unknown>; volumes: readonly string[] };
type VolumeOf<M extends Shape> = M["volumes"][number] & string;
type AnyShape = { images: Record<string, unknown>; volumes: string[] };

const versionFile = "dataVersion.txt";

/**
 * What of a package is backed up, and how: volumes and folders by rsync, databases by their own dumps. A restore is the
 * same backwards. The service does not run meanwhile.
 * @example
 * const backups = Backups.ofVolumes("main").setOptions({ exclude: ["cache"] });
 * assert.deepEqual(backups.volumes, ["main"]);
 */
export class Backups<M extends Shape = AnyShape> implements InitScript {
  readonly #syncs: BackupSync<string>[] = [];
  readonly #hooks = new Map<HookName, Hook[]>();
  readonly #dumps: string[] = [];
  readonly #options: Record<"options" | "backupOptions" | "restoreOptions", Partial<SyncOptions>> = { options: {}, backupOptions: {}, restoreOptions: {} };

  private constructor() {}

  static ofVolumes<M extends Shape = AnyShape>(...volumes: VolumeOf<M>[]): Backups<M> {
    return volumes.reduce((backups, volume) => backups.addVolume(volume), new Backups<M>());
  }
  static ofSyncs<M extends Shape = AnyShape>(...syncs: BackupSync<VolumeOf<M>>[]): Backups<M> {
    return syncs.reduce((backups, sync) => backups.addSync(sync), new Backups<M>());
  }
  static withOptions<M extends Shape = AnyShape>(options: Partial<SyncOptions> = {}): Backups<M> {
    return new Backups<M>().setOptions(options);
  }
  /** Backs up a database of Postgres by its dump. Its volume need not be backed up. */
  static withPgDump<M extends Shape = AnyShape>(config: PgDumpConfig<M>): Backups<M> {
    return new Backups<M>().#dumped(config.dbVolume, pgDump(config));
  }
  /** Backs up a database of MySQL or MariaDB by its dump. */
  static withMysqlDump<M extends Shape = AnyShape>(config: MysqlDumpConfig<M>): Backups<M> {
    return new Backups<M>().#dumped(config.dbVolume, mysqlDump(config));
  }

  #dumped(volume: string, { backup, restore }: DumpHooks): this {
    this.#dumps.push(volume);
    this.#hook("preBackup", { fn: backup, weight: DEFAULT_SYNC_WEIGHT });
    return this.#hook("postRestore", { fn: restore, weight: DEFAULT_SYNC_WEIGHT });
  }
  #hook(name: HookName, hook: Hook): this {
    this.#hooks.set(name, [...(this.#hooks.get(name) ?? []), hook]);
    return this;
  }

  setOptions(options: Partial<SyncOptions> = {}): this {
    this.#options.options = options;
    return this;
  }
  setBackupOptions(options: Partial<SyncOptions> = {}): this {
    this.#options.backupOptions = options;
    return this;
  }
  setRestoreOptions(options: Partial<SyncOptions> = {}): this {
    this.#options.restoreOptions = options;
    return this;
  }
  /** Adds what is done before the files are copied, with its share of the progress. The others likewise. */
  setPreBackup(fn: BackupHook, weight = DEFAULT_HOOK_WEIGHT): this {
    return this.#hook("preBackup", { fn, weight });
  }
  setPostBackup(fn: BackupHook, weight = DEFAULT_HOOK_WEIGHT): this {
    return this.#hook("postBackup", { fn, weight });
  }
  setPreRestore(fn: BackupHook, weight = DEFAULT_HOOK_WEIGHT): this {
    return this.#hook("preRestore", { fn, weight });
  }
  setPostRestore(fn: BackupHook, weight = DEFAULT_HOOK_WEIGHT): this {
    return this.#hook("postRestore", { fn, weight });
  }

  addVolume(volume: VolumeOf<M>, options: Partial<Pick<BackupSync<string>, "options" | "backupOptions" | "restoreOptions" | "weight">> = {}): this {
    return this.addSync({ dataPath: `/media/startos/volumes/${volume}/`, backupPath: `/media/startos/backup/volumes/${volume}/`, ...options });
  }
  addSync(sync: BackupSync<VolumeOf<M>>): this {
    this.#syncs.push(sync);
    return this;
  }

  /** The volumes of which something is kept, as files or as a dump. */
  get volumes(): string[] {
    const copied = this.#syncs.map(({ dataPath }) => label({ dataPath } as BackupSync<string>).split("/")[0]!);
    return [...new Set([...copied, ...this.#dumps])];
  }

  /** The volumes whose database is dumped, by a server of the database that must be alone on them. */
  get dumped(): string[] {
    return [...this.#dumps];
  }

  /** Whether something is done before or after the files are copied. */
  get hooked(): boolean {
    return this.#hooks.has("preBackup") || this.#hooks.has("postBackup");
  }

  /** Makes the backup, of the volumes or of a snapshot of them in another folder. */
  async createBackup(effects: Effects, volumes = place("volumes")): Promise<void> {
    const progress = new FullProgressTracker((state) => effects.setBackupProgress({ progress: state }));
    await this.#work(effects, progress, "backup", "preBackup", "postBackup", volumes);
    const version = await effects.getDataVersion();
    if (version !== null) await writeFile(join(place("backup"), versionFile), version);
    progress.complete();
    await progress.sync();
  }

  /** The step of the init that restores, where that is why it runs. It comes before all that looks at the data. */
  async init(effects: Effects, kind: InitKind, progress?: FullProgressTracker): Promise<void> {
    if (kind === "restore") await this.restoreBackup(effects, progress);
  }

  async restoreBackup(effects: Effects, progress = new FullProgressTracker((state) => effects.setInitProgress({ progress: state }))): Promise<void> {
    await this.#work(effects, progress, "restore", "preRestore", "postRestore", place("volumes"));
    const version = await readFile(join(place("backup"), versionFile), "utf8").catch(() => null);
    if (version !== null) await effects.setDataVersion({ version: version.trim() });
  }

  async #work(effects: Effects, progress: FullProgressTracker, way: "backup" | "restore", before: HookName, after: HookName, volumes: string): Promise<void> {
    const jobs = [
      ...this.#hooked(before, effects, progress, "Preparing"),
      ...this.#syncs.map((sync) => {
        const phase = progress.addPhase(way === "backup" ? `Backing up ${label(sync)}` : `Restoring ${label(sync)}`, sync.weight ?? DEFAULT_SYNC_WEIGHT);
        return { phase, run: () => this.#sync(sync, way, phase, volumes) };
      }),
      ...this.#hooked(after, effects, progress, "Finishing"),
    ];
    for (const { phase, run } of jobs) {
      phase.start();
      await run();
      phase.complete();
    }
  }

  #hooked(name: HookName, effects: Effects, progress: FullProgressTracker, title: string) {
    return (this.#hooks.get(name) ?? []).map(({ fn, weight }) => {
      const phase = progress.addPhase(title, weight);
      return { phase, run: () => fn(effects as BackupEffects, phase) };
    });
  }

  async #sync(sync: BackupSync<string>, way: "backup" | "restore", phase: PhaseHandle, volumes: string): Promise<void> {
    const special = way === "backup" ? [this.#options.backupOptions, sync.options, sync.backupOptions] : [this.#options.restoreOptions, sync.options, sync.restoreOptions];
    const options = Object.assign({}, DEFAULT_OPTIONS, this.#options.options, ...special) as SyncOptions;
    const [data, backup] = [sync.dataPath.replace("/media/startos/volumes", volumes), sync.backupPath.replace("/media/startos/backup", place("backup"))];
    const [from, to] = way === "backup" ? [data, backup] : [backup, data];
    // What was added to a package after the backup was made is not in it.
    if (way === "restore" && !(await stat(from).catch(() => null))) return;
    await mkdir(to, { recursive: true });
    await rsync(from, to, options, (percent) => (phase.setTotal(100), phase.setDone(percent)));
  }
}

function label({ dataPath }: BackupSync<string>): string {
  return dataPath.replace("/media/startos/volumes/", "").replace(/\/$/, "");
}

/** Copies a tree with owners, links and attributes. */
async function rsync(from: string, to: string, options: SyncOptions, progress: (percent: number) => void): Promise<void> {
  const args = ["-rlptgoAXH", "--partial", "--inplace", "--timeout=300", "--info=progress2"];
  if (options.delete) args.push("--delete");
  for (const pattern of options.exclude) args.push(`--exclude=${pattern}`);
  let shown = -1;
  const onStdout = (chunk: Buffer) => {
    const percent = Number(chunk.toString().match(/(\d+)%(?!.*\d+%)/s)?.[1] ?? Number.NaN);
    if (percent > shown) progress((shown = percent));
  };
  await succeed("rsync", [...args, slash(from), slash(to)], { onStdout });
}
const slash = (path: string) => (path.endsWith("/") ? path : `${path}/`);

/**
 * The two exports of what is said of backups.
 * @example
 * const { createBackup, restoreInit } = setupBackups(["main"]);
 * const init = setupInit(restoreInit);
 */
export function setupBackups<M extends Shape>(options: VolumeOf<M>[] | ((options: { effects: Effects }) => Promise<Backups<M>>)): { createBackup: (options: { effects: Effects; volumes?: string }) => Promise<unknown>; restoreInit: InitScript } {
  const make = typeof options === "function" ? options : async () => Backups.ofVolumes<M>(...options);
  return {
    createBackup: async ({ effects, volumes }) => (await make({ effects })).createBackup(effects, volumes),
    restoreInit: { init: async (effects, kind, progress) => (kind === "restore" ? (await make({ effects })).init(effects, kind, progress) : undefined) },
  };
}
