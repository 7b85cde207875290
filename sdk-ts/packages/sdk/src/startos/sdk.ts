import { actionWithInput, actionWithoutInput, Actions, createTask, runAction, type ActionInfo, type TaskOptions } from "../actions.js";
import * as addresses from "../addresses.js";
import { Backups, setupBackups, type BackupSync } from "../backups.js";
import { checkPortListening, checkWebUrl, runHealthScript } from "../daemons/checks.js";
import { UseEntrypoint, type Exec } from "../daemons/command.js";
import { Daemon } from "../daemons/daemon.js";
import { Daemons } from "../daemons/daemons.js";
import { DaemonsReconciler } from "../daemons/reconciler.js";
import { cooldownTrigger, defaultTrigger, statusTrigger } from "../daemons/trigger.js";
import { checkDependencies, setDependencies, type CheckDependencies, type ValidateRanges } from "../dependencies.js";
import type { MysqlDumpConfig, PgDumpConfig } from "../dumps.js";
import type { Buildable, Effects } from "../effects.js";
import * as host from "../host.js";
import { setupInit, setupOnInit, setupOnUninit, setupUninit } from "../init.js";
import { MultiHost, RangeInterfaceBuilder, ServiceInterfaceBuilder, setupExportedUrls, setupInterfaces, type InterfaceOptions } from "../interfaces.js";
import { Mounts } from "../mounts.js";
import * as patterns from "../patterns.js";
import { customSmtp, smtpInputSpec, smtpProviderVariants, systemSmtpSpec } from "../smtp.js";
import { LazySubContainer, MadeSubContainer, type ImageChoice, type SubContainer } from "../subcontainer.js";
import { getDataVersion, setDataVersion } from "../versions/graph.js";
import { createVolumes } from "../volumes.js";
import type * as W from "../wire.js";
import { InputSpec, List, Value, Variants } from "./form.js";
import type { CurrentDependenciesResult, SDKManifest } from "./types.js";
import { nullIfEmpty } from "./utils.js";

type Images<M extends SDKManifest> = keyof M["images"] & string;
type VolumesOf<M extends SDKManifest> = M["volumes"][number];
type InterfaceText = Omit<InterfaceOptions, "effects">;
type Urls = {
  register: (effects: Effects, options: { tableAction: ActionInfo<string, any> }) => Promise<null>;
  exportUrl: (effects: Effects, options: { hostnameInfo: W.PluginHostnameInfo; removeAction: ActionInfo<string, any> | null; overflowActions: ActionInfo<string, any>[] }) => Promise<null>;
  setupExportedUrls: typeof setupExportedUrls;
};

/** The words of packages for StartOS, each a call of what this SDK has. */
export class StartSdk<Manifest extends SDKManifest> {
  private constructor(readonly manifest: Manifest) {}

  static of(): StartSdk<never> {
    return new StartSdk<never>(null as never);
  }
  withManifest<M extends SDKManifest = never>(manifest: M): StartSdk<M> {
    return new StartSdk<M>(manifest);
  }
  build(_isReady: [Manifest] extends [never] ? "Build not ready" : true) {
    return build<Manifest>(this.manifest);
  }
}

function build<Manifest extends SDKManifest>(manifest: Manifest) {
  type Image = ImageChoice<Images<Manifest>>;
  type Mounted = Mounts<VolumesOf<Manifest>> | null;
  type Sub = SubContainer<Images<Manifest>>;
  return {
    manifest,
    volumes: createVolumes<VolumesOf<Manifest>>(manifest.volumes as VolumesOf<Manifest>[]),
    setDataVersion,
    getDataVersion,
    ...actionWords(manifest),
    ...hostWords(),
    ...formWords(),
    nullIfEmpty,
    patterns,
    useEntrypoint: (overrideCmd?: string[]) => new UseEntrypoint(overrideCmd),
    checkDependencies: checkDependencies as <Id extends keyof Manifest["dependencies"] & string = keyof Manifest["dependencies"] & string>(effects: Effects, ids?: Id[]) => Promise<CheckDependencies<Id>>,
    setupDependencies:
      <const R extends CurrentDependenciesResult<Manifest>>(fn: (options: { effects: Effects }) => Promise<R & ValidateRanges<R>>) =>
      async (effects: Effects): Promise<null> =>
        setDependencies(effects, (await fn({ effects })) as never),
    setupBackups: setupBackups<Manifest>,
    setupInit,
    setupUninit,
    setupOnInit,
    setupOnUninit,
    setupInterfaces,
    setupMain: (fn: (options: { effects: Effects }) => Promise<Buildable>) => fn,
    Mounts: { of: () => Mounts.of<VolumesOf<Manifest>>({ lenient: true }) },
    Backups: {
      ofVolumes: (...volumes: VolumesOf<Manifest>[]) => Backups.ofVolumes<Manifest>(...volumes),
      ofSyncs: (...syncs: BackupSync<VolumesOf<Manifest>>[]) => Backups.ofSyncs<Manifest>(...syncs),
      withOptions: (options?: Parameters<typeof Backups.withOptions>[0]) => Backups.withOptions<Manifest>(options),
      withPgDump: (config: PgDumpConfig<Manifest>) => Backups.withPgDump<Manifest>(config),
      withMysqlDump: (config: MysqlDumpConfig<Manifest>) => Backups.withMysqlDump<Manifest>(config),
    },
    Daemon: { of: <C extends Sub | null>(_effects: Effects, subcontainer: C, exec: Exec<C>) => new Daemon<C>(subcontainer, exec) },
    Daemons: {
      of: (effects: Effects) => Daemons.of({ effects }),
      dynamic: (effects: Effects, fn: (options: { effects: Effects }) => Promise<Daemons<any>> | Daemons<any>) => new DaemonsReconciler(effects, fn),
    },
    SubContainer: {
      of: (effects: Effects, image: Image, mounts: Mounted, name: string) => new LazySubContainer<Images<Manifest>>(effects, image, mounts, name),
      eager: (effects: Effects, image: Image, mounts: Mounted, name: string) => MadeSubContainer.make<Images<Manifest>>(effects, image, mounts, name),
      withTemp: <T>(effects: Effects, image: Image, mounts: Mounted, name: string, fn: (made: MadeSubContainer<Images<Manifest>>) => Promise<T>) => MadeSubContainer.with<Images<Manifest>, T>(effects, image, mounts, name, fn),
    },
    plugin: { url: (manifest.plugins?.includes("url-v0") ? urlWords() : null) as Manifest extends { plugins: ("url-v0")[] } ? Urls : null },
  };
}

function actionWords(manifest: SDKManifest) {
  return {
    action: {
      run: runAction,
      createTask: <A extends ActionInfo<string, any>>(effects: Effects, packageId: string, action: A, severity: W.TaskSeverity, options?: TaskOptions<A>) =>
        createTask({ effects, packageId, action, severity, ...(options ? { options } : {}) }),
      createOwnTask: <A extends ActionInfo<string, any>>(effects: Effects, action: A, severity: W.TaskSeverity, options?: TaskOptions<A>) =>
        createTask({ effects, packageId: manifest.id, action, severity, ...(options ? { options } : {}) }),
      clearTask: (effects: Effects, ...replayIds: string[]) => effects.action.clearTasks({ only: replayIds }),
    },
    Action: { withInput: actionWithInput, withoutInput: actionWithoutInput },
    Actions: { of: () => Actions.of() },
    notification: { create: (effects: Effects, options: W.CreateNotificationParams) => effects.notification.create(options) },
  };
}

function hostWords() {
  return {
    host: {
      getOwn: <Mapped = addresses.FilledHost | null>(effects: Effects, hostId: string, map?: (host: addresses.FilledHost | null) => Mapped, eq?: (a: Mapped, b: Mapped) => boolean) => addresses.getHost(effects, { hostId }, map, eq),
      get: addresses.getHost,
      getBridgeAddress: addresses.getBridgeAddress,
    },
    getContainerIp: host.getContainerIp,
    getStatus: host.getStatus,
    getSystemSmtp: host.getSystemSmtp,
    getOutboundGateway: host.getOutboundGateway,
    getSslCertificate: host.getSslCertificate,
    getServiceManifest: host.getServiceManifest,
    MultiHost: { of: (effects: Effects, id: string) => new MultiHost({ effects, id }) },
    createInterface: (effects: Effects, options: InterfaceText) => new ServiceInterfaceBuilder({ effects, ...options }),
    createRangeInterface: (effects: Effects, options: { id: string; name: string; description: string; scheme?: string | null }) => new RangeInterfaceBuilder({ effects, ...options }),
    healthCheck: { checkPortListening, checkWebUrl, runHealthScript },
    trigger: { defaultTrigger, cooldownTrigger, statusTrigger },
    mount: (effects: Effects, options: W.MountParams) => effects.mount(options),
    restart: (effects: Effects) => effects.restart(),
    shutdown: (effects: Effects) => effects.shutdown(),
    setDependencies: (effects: Effects, options: { dependencies: W.DependencyRequirement[] }) => effects.setDependencies(options),
    getDependencies: (effects: Effects) => effects.getDependencies(),
    getInstalledPackages: (effects: Effects) => effects.getInstalledPackages(),
    setBackupProgress: (effects: Effects, options: { progress: W.Progress }) => effects.setBackupProgress(options),
    setInitProgress: (effects: Effects, options: { progress: W.Progress }) => effects.setInitProgress(options),
    setHealth: (effects: Effects, options: W.SetHealth) => effects.setHealth(options),
    getServicePortForward: (effects: Effects, options: { packageId?: string; hostId: string; internalPort: number }) => effects.getServicePortForward(options),
    clearBindings: (effects: Effects, options: { except: { id: string; internalPort: number }[] }) => effects.clearBindings(options),
    getOsIp: (effects: Effects) => effects.getOsIp(),
    getSslKey: (effects: Effects, options: { hostnames: string[]; algorithm?: "ecdsa" | "ed25519" }) => effects.getSslKey(options),
  };
}

function formWords() {
  return { InputSpec: { of: InputSpec.of }, Value, List, Variants, inputSpecConstants: { smtpInputSpec, systemSmtpSpec, customSmtp, smtpProviderVariants } };
}

function urlWords(): Urls {
  return {
    register: (effects, { tableAction }) => effects.plugin.url.register({ tableAction: tableAction.id }),
    exportUrl: (effects, { hostnameInfo, removeAction, overflowActions }) =>
      effects.plugin.url.exportUrl({ hostnameInfo, removeAction: removeAction?.id ?? null, overflowActions: overflowActions.map(({ id }) => id) }),
    setupExportedUrls,
  };
}
