/**
 * The JSON that crosses between a package and its host. These shapes are given: they are those of the six calls and of
 * the effects, as packages for StartOS know them. Nothing here runs.
 */

/** A text, or one for each language, as in `{ en_US: "Page", de_DE: "Seite" }`. */
export type LocaleString = string | Record<string, string>;

/** How a health check stands. `failure` and `loading` need a message. */
export type HealthResult =
  | { result: "success" | "disabled" | "starting" | "waiting"; message: string | null }
  | { result: "loading" | "failure"; message: string };
export type HealthStatus = HealthResult["result"];
export type NamedHealthCheckResult = { name: string } & HealthResult;
export type SetHealth = { id: string; name: string } & HealthResult;

export type ActionAccess = "public" | "dependent" | "user";
export type AllowedStatuses = "only-running" | "only-stopped" | "any";
export type ActionVisibility = "enabled" | "hidden" | { disabled: string };

/** What people see of an action before they run it. */
export interface ActionMetadata {
  name: string;
  description: string;
  warning: string | null;
  visibility: ActionVisibility;
  allowedStatuses: AllowedStatuses;
  hasInput: boolean;
  group: string | null;
  access?: ActionAccess;
}

/** A value that an action gives back, alone or as a group. */
export type ActionResultValue =
  | { type: "single"; value: string; copyable: boolean; qr: boolean; masked: boolean }
  | { type: "group"; value: ActionResultMember[] };
export type ActionResultMember = { name: string; description: string | null } & ActionResultValue;
export interface ActionResultV0 {
  message: string;
  value: string | null;
  copyable: boolean;
  qr: boolean;
}
export interface ActionResultV1 {
  title: string;
  message: string | null;
  result: ActionResultValue | null;
}
export type ActionResult = ({ version: "0" } & ActionResultV0) | ({ version: "1" } & ActionResultV1);
export interface ActionInput {
  eventId: string;
  spec: Record<string, unknown>;
  value: Record<string, unknown> | null;
}

export type TaskSeverity = "optional" | "important" | "critical";
export type TaskCondition = "input-not-matches";
export interface TaskTrigger {
  once: boolean;
  condition: TaskCondition;
}
export interface TaskInput {
  kind: "partial";
  accept: Record<string, unknown>[];
  set: Record<string, unknown>;
}
export interface Task {
  packageId: string;
  actionId: string;
  severity: TaskSeverity;
  reason?: string;
  when?: TaskTrigger;
  input?: TaskInput;
}
export type CreateTaskParams = Task & { replayId: string };
export interface TaskEntry {
  task: Task;
  active: boolean;
}

export type DependencyRequirement =
  | { kind: "running"; id: string; healthChecks: string[]; versionRange: string }
  | { kind: "exists"; id: string; versionRange: string };
export interface CheckDependenciesResult {
  packageId: string;
  title: string | null;
  installedVersion: string | null;
  satisfies: string[];
  isRunning: boolean;
  tasks: { [replayId: string]: TaskEntry };
  healthChecks: { [id: string]: NamedHealthCheckResult };
}

export interface IdMap {
  fromId: number;
  toId: number;
  range: number;
}
export interface MountTarget {
  packageId: string;
  volumeId: string;
  subpath: string | null;
  readonly: boolean;
  idmap: IdMap[];
}
export interface MountParams {
  location: string;
  target: MountTarget;
}

export interface Security {
  ssl: boolean;
}
export type MaybeUtf8String = string | number[];
export type AlpnInfo = "reflect" | { specified: MaybeUtf8String[] };
export interface BasicCredential {
  username: string;
  password: string;
}
export type ProxyAuth =
  | { type: "bearer"; tokens: string[]; realm: string | null }
  | { type: "basic"; credentials: BasicCredential[]; realm: string | null };
export type UpstreamCertValidation = "disable" | { certificate: string };
export interface AddSslOptions {
  preferredExternalPort: number;
  addXForwardedHeaders: boolean;
  alpn: AlpnInfo | null;
  upstreamCertValidation?: UpstreamCertValidation;
  auth: ProxyAuth | null;
}
export interface BindOptions {
  preferredExternalPort: number;
  addSsl: AddSslOptions | null;
  secure: Security | null;
}
export type BindParams = BindOptions & { id: string; internalPort: number };
export interface BindRangeParams {
  id: string;
  internalStartPort: number;
  externalStartPort: number;
  numberOfPorts: number;
}

export type ServiceInterfaceType = "ui" | "p2p" | "api";
export interface AddressInfo {
  username: string | null;
  hostId: string;
  internalPort: number;
  scheme: string | null;
  sslScheme: string | null;
  suffix: string;
}
export interface ServiceInterface {
  id: string;
  name: string;
  description: string;
  masked: boolean;
  addressInfo: AddressInfo;
  type: ServiceInterfaceType;
}
export type ExportServiceInterfaceParams = ServiceInterface;
export interface ExportRangeServiceInterfaceParams {
  hostId: string;
  internalStartPort: number;
  id: string;
  name: string;
  description: string;
  scheme: string | null;
}

export type HostnameMetadata =
  | { kind: "ipv4"; gateway: string }
  | { kind: "ipv6"; gateway: string; scopeId: number }
  | { kind: "mdns"; gateways: string[] }
  | { kind: "private-domain"; gateways: string[] }
  | { kind: "public-domain"; gateway: string }
  | { kind: "plugin"; packageId: string; removeAction: string | null; overflowActions: string[]; info: unknown };
export interface HostnameInfo {
  ssl: boolean;
  public: boolean;
  hostname: string;
  port: number | null;
  metadata: HostnameMetadata;
}
export interface NetInfo {
  assignedPort: number | null;
  assignedSslPort: number | null;
}
export interface DerivedAddressInfo {
  enabled: string[];
  disabled: [string, number][];
  guaWan: string[];
  available: HostnameInfo[];
}
export interface BindInfo {
  enabled: boolean;
  options: BindOptions;
  net: NetInfo;
  addresses: DerivedAddressInfo;
  interfaces: { [id: string]: ServiceInterface };
}
export interface BindRangeInfo {
  enabled: boolean;
  externalStartPort: number;
  numberOfPorts: number;
  addresses: DerivedAddressInfo;
  interface: { id: string; name: string; description: string; scheme: string | null } | null;
}
export interface Host {
  bindings: { [internalPort: number]: BindInfo };
  bindingRanges: { [internalStartPort: number]: BindRangeInfo };
  publicDomains: { [fqdn: string]: { gateway: string; acme: string | null } };
  privateDomains: { [fqdn: string]: string[] };
  portForwards: { src: string; dst: string; gateway: string; count?: number }[];
}
export interface PluginHostnameInfo {
  packageId: string;
  hostId: string;
  internalPort: number;
  ssl: boolean;
  public: boolean;
  hostname: string;
  port: number | null;
  info: unknown;
}

export type StartStop = "start" | "stop";
export type DesiredStatus =
  | { main: "stopped" }
  | { main: "running" }
  | { main: "restarting"; restartAgain: boolean }
  | { main: "backing-up"; onComplete: StartStop };
export interface StatusInfo {
  health: { [id: string]: NamedHealthCheckResult };
  error: { details: string; debug: string | null; info: unknown } | null;
  started: string | null;
  desired: DesiredStatus;
}

/** The server's settings for sending mail. */
export interface SmtpValue {
  host: string;
  port: number;
  from: string;
  username: string;
  password: string | null | undefined;
  security: "starttls" | "tls";
}

export type NotificationLevel = "success" | "info" | "warning" | "error";
export interface CreateNotificationParams {
  level: NotificationLevel;
  title: string;
  message: string;
  data?: string | null;
}

export type ProgressUnits = "bytes" | "steps";
/** Not begun, under way or done, so much of a total, or phases. */
export type Progress = null | boolean | { done: number; total: number | null; units: ProgressUnits | null } | FullProgress;
export interface FullProgress {
  overall: Progress;
  phases: NamedProgress[];
}
export interface NamedProgress {
  name: string;
  progress: Progress;
}

export type BuildArg = string | { env: string };
export type ImageSource =
  | "packed"
  | { dockerBuild: { workdir?: string; dockerfile?: string; buildArgs?: { [key: string]: BuildArg } } }
  | { dockerTag: string };
export interface ImageConfig {
  source: ImageSource;
  arch: string[];
  emulateMissingAs: string | null;
  nvidiaContainer: boolean;
}
export interface DeviceFilter {
  description: string;
  class: "processor" | "display";
  product: string | null;
  vendor: string | null;
  capabilities?: string[];
  driver?: string;
}
export type PluginId = "url-v0";
export type DepInfo = { description: LocaleString | null; optional: boolean } & (
  | { metadata: { title: LocaleString; icon: string } }
  | { s9pk: string | null }
);
export interface HardwareRequirements {
  device: DeviceFilter[];
  ram: number | null;
  arch: string[] | null;
}
/** The manifest as it stands in a package file. */
export interface Manifest {
  id: string;
  title: string;
  version: string;
  satisfies: string[];
  releaseNotes: LocaleString;
  canMigrateTo: string;
  canMigrateFrom: string;
  license: string;
  packageRepo: string;
  upstreamRepo: string;
  marketingUrl: string;
  donationUrl: string | null;
  description: { short: LocaleString; long: LocaleString };
  images: { [id: string]: ImageConfig };
  volumes: string[];
  dependencies: { [id: string]: DepInfo };
  hardwareRequirements: HardwareRequirements;
  hardwareAcceleration: boolean;
  userspaceFilesystems: boolean;
  virtualNetworking: boolean;
  plugins: PluginId[];
  osVersion: string;
  sdkVersion: string | null;
  gitHash: string | null;
}

/** Any part of a value, at any depth. */
export type DeepPartial<T> = T extends [infer A, ...infer Rest]
  ? [DeepPartial<A>, ...DeepPartial<Rest>]
  : T extends {}
    ? { [P in keyof T]?: DeepPartial<T[P]> }
    : T;

/** A value, whose parts may be readonly at any depth. */
export type AllowReadonly<T> = T | { readonly [P in keyof T]: AllowReadonly<T[P]> };
export type MaybePromise<T> = T | Promise<T>;
