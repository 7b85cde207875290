import type * as W from "./wire.js";

type OnChange = { callback?: () => void };

/**
 * What a package asks of its host. The host makes one for each context: for its init, for its main from start to stop,
 * and for each call of an action. Watches of a context end with it.
 */
export interface Effects {
  /** Which call this is: equal for a form and the action that is then run with it. */
  readonly eventId: string | null;
  /** Makes effects of a context of its own, which replaces the earlier child of this name. */
  child: (name: string) => Effects;
  /** Runs again what the context is for, because something read with `const` has changed. */
  constRetry?: () => void;
  isInContext: boolean;
  onLeaveContext: (fn: () => void | null | undefined) => void;
  clearCallbacks: (options: { only: number[] } | { except: number[] }) => Promise<null>;
  action: {
    export(options: { id: string; metadata: W.ActionMetadata }): Promise<null>;
    clear(options: { except: string[] }): Promise<null>;
    getInput(options: { packageId?: string; actionId: string }): Promise<W.ActionInput | null>;
    run<Input extends Record<string, unknown>>(options: { packageId?: string; actionId: string; input?: Input }): Promise<W.ActionResult | null>;
    createTask(options: W.CreateTaskParams): Promise<null>;
    clearTasks(options: { only: string[] } | { except: string[] }): Promise<null>;
  };
  restart(): Promise<null>;
  shutdown(): Promise<null>;
  getStatus(options: { packageId?: string } & OnChange): Promise<W.StatusInfo | null>;
  setMainStatus(options: { status: "running" | "stopped" }): Promise<null>;
  setDependencies(options: { dependencies: W.DependencyRequirement[] }): Promise<null>;
  getDependencies(): Promise<W.DependencyRequirement[]>;
  checkDependencies(options: { packageIds?: string[] }): Promise<W.CheckDependenciesResult[]>;
  mount(options: W.MountParams): Promise<string>;
  getInstalledPackages(): Promise<string[]>;
  getServiceManifest(options: { packageId: string } & OnChange): Promise<W.Manifest>;
  setBackupProgress(options: { progress: W.Progress }): Promise<null>;
  setInitProgress(options: { progress: W.Progress }): Promise<null>;
  setHealth(options: W.SetHealth): Promise<null>;
  /** Publishes numbers about the service in place of those before; StartOS does not have it. */
  setMetrics?(options: { metrics: W.Metric[] }): Promise<null>;
  notification: { create(options: W.CreateNotificationParams): Promise<null> };
  subcontainer: {
    createFs(options: { imageId: string; name: string | null }): Promise<[string, string]>;
    destroyFs(options: { guid: string }): Promise<null>;
  };
  bind(options: W.BindParams): Promise<null>;
  bindRange(options: W.BindRangeParams): Promise<null>;
  getServicePortForward(options: { packageId?: string; hostId: string; internalPort: number }): Promise<W.NetInfo>;
  clearBindings(options: { except: { id: string; internalPort: number }[] }): Promise<null>;
  getHostInfo(options: { packageId?: string; hostId: string } & OnChange): Promise<W.Host | null>;
  getContainerIp(options: { packageId?: string } & OnChange): Promise<string>;
  getOsIp(): Promise<string>;
  getOutboundGateway(options: OnChange): Promise<string>;
  exportServiceInterface(options: W.ExportServiceInterfaceParams): Promise<null>;
  exportRangeServiceInterface(options: W.ExportRangeServiceInterfaceParams): Promise<null>;
  getServiceInterface(options: { packageId?: string; serviceInterfaceId: string } & OnChange): Promise<W.ServiceInterface | null>;
  listServiceInterfaces(options: { packageId?: string } & OnChange): Promise<Record<string, W.ServiceInterface>>;
  clearServiceInterfaces(options: { except: string[] }): Promise<null>;
  plugin: {
    url: {
      register(options: { tableAction: string }): Promise<null>;
      exportUrl(options: { hostnameInfo: W.PluginHostnameInfo; removeAction: string | null; overflowActions: string[] }): Promise<null>;
      clearUrls(options: { except: W.PluginHostnameInfo[] }): Promise<null>;
    };
  };
  getSslCertificate: (options: { hostnames: string[]; algorithm?: "ecdsa" | "ed25519" } & OnChange) => Promise<[string, string, string]>;
  getSslKey: (options: { hostnames: string[]; algorithm?: "ecdsa" | "ed25519" }) => Promise<string>;
  setDataVersion(options: { version: string | null }): Promise<null>;
  getDataVersion(): Promise<string | null>;
  getSystemSmtp(options: OnChange): Promise<W.SmtpValue | null>;
}

/** Something of a service that runs: it is built once, and ended once. */
export interface Buildable {
  build(): Promise<{ term(): Promise<void> }>;
}
