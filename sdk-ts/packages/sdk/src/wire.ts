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
/** The word of a health check. */
export type HealthStatus = HealthResult["result"];
/** How a health check stands, with the name that people see. */
export type NamedHealthCheckResult = { name: string } & HealthResult;
/** What the effect set-health takes. */
export type SetHealth = { id: string; name: string } & HealthResult;

/** Who may run an action besides people: nobody, packages that depend on this one, or all packages. */
export type ActionAccess = "public" | "dependent" | "user";
/** Whether the service has to run, or not to run, for an action. */
export type AllowedStatuses = "only-running" | "only-stopped" | "any";
/** Whether people see an action; one that is disabled says why. */
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
/** A value of a group, with its name. */
export type ActionResultMember = { name: string; description: string | null } & ActionResultValue;
/** The result of an action in the form of old packages. */
export interface ActionResultV0 {
  message: string;
  value: string | null;
  copyable: boolean;
  qr: boolean;
}
/** The result of an action: a title, a sentence and a value. */
export interface ActionResultV1 {
  title: string;
  message: string | null;
  result: ActionResultValue | null;
}
/** What an action gives back; `version` tells the form. */
export type ActionResult = ({ version: "0" } & ActionResultV0) | ({ version: "1" } & ActionResultV1);
/** The form of an action, with the value that it begins with. */
export interface ActionInput {
  eventId: string;
  spec: Record<string, unknown>;
  value: Record<string, unknown> | null;
}

/** How much a task matters: without a critical one the service does not start. */
export type TaskSeverity = "optional" | "important" | "critical";
/** When a task is there. */
export type TaskCondition = "input-not-matches";
/** When a task comes back: once, or each time that the input no longer fits. */
export interface TaskTrigger {
  once: boolean;
  condition: TaskCondition;
}
/** What a task fills in (`set`), and what it is content with (`accept`). */
export interface TaskInput {
  kind: "partial";
  accept: Record<string, unknown>[];
  set: Record<string, unknown>;
}
/** An action that people are asked to run. */
export interface Task {
  packageId: string;
  actionId: string;
  severity: TaskSeverity;
  reason?: string;
  when?: TaskTrigger;
  input?: TaskInput;
}
/** What the effect action.create-task takes; a task of the same replayId is replaced. */
export type CreateTaskParams = Task & { replayId: string };
/** A task, and whether it is open. */
export interface TaskEntry {
  task: Task;
  active: boolean;
}

/** What a package needs of another one. */
export type DependencyRequirement =
  | { kind: "running"; id: string; healthChecks: string[]; versionRange: string }
  | { kind: "exists"; id: string; versionRange: string };
/** How a package stands that this one needs. */
export interface CheckDependenciesResult {
  packageId: string;
  title: string | null;
  installedVersion: string | null;
  satisfies: string[];
  isRunning: boolean;
  tasks: { [replayId: string]: TaskEntry };
  healthChecks: { [id: string]: NamedHealthCheckResult };
}

/** Which owners of files are shown as which others. */
export interface IdMap {
  fromId: number;
  toId: number;
  range: number;
}
/** A part of a volume of another package. */
export interface MountTarget {
  packageId: string;
  volumeId: string;
  subpath: string | null;
  readonly: boolean;
  idmap: IdMap[];
}
/** What the effect mount takes. */
export interface MountParams {
  location: string;
  target: MountTarget;
}

/** Whether what is spoken at a port is TLS already. */
export interface Security {
  ssl: boolean;
}
/** A text, or its bytes. */
export type MaybeUtf8String = string | number[];
/** Which protocols are agreed on with the client: those of the service, or these. */
export type AlpnInfo = "reflect" | { specified: MaybeUtf8String[] };
/** A name with its password. */
export interface BasicCredential {
  username: string;
  password: string;
}
/** What the server asks callers for before it lets them to the port. */
export type ProxyAuth =
  | { type: "bearer"; tokens: string[]; realm: string | null }
  | { type: "basic"; credentials: BasicCredential[]; realm: string | null };
/** How the certificate of the service itself is checked: not at all, or against this one. */
export type UpstreamCertValidation = "disable" | { certificate: string };
/** The TLS that the server puts before a port. */
export interface AddSslOptions {
  preferredExternalPort: number;
  addXForwardedHeaders: boolean;
  alpn: AlpnInfo | null;
  upstreamCertValidation?: UpstreamCertValidation;
  auth: ProxyAuth | null;
}
/** How a port is reached from outside. */
export interface BindOptions {
  preferredExternalPort: number;
  addSsl: AddSslOptions | null;
  secure: Security | null;
}
/** What the effect bind takes. */
export type BindParams = BindOptions & { id: string; internalPort: number };
/** What the effect bind-range takes. */
export interface BindRangeParams {
  id: string;
  internalStartPort: number;
  externalStartPort: number;
  numberOfPorts: number;
}

/** For people, for others of its kind, or for programs. */
export type ServiceInterfaceType = "ui" | "p2p" | "api";
/** Which port an interface leads to, and how its URL is written. */
export interface AddressInfo {
  username: string | null;
  hostId: string;
  internalPort: number;
  scheme: string | null;
  sslScheme: string | null;
  suffix: string;
}
/** What people see of a port. */
export interface ServiceInterface {
  id: string;
  name: string;
  description: string;
  masked: boolean;
  addressInfo: AddressInfo;
  type: ServiceInterfaceType;
}
/** What the effect export-service-interface takes. */
export type ExportServiceInterfaceParams = ServiceInterface;
/** What the effect export-range-service-interface takes. */
export interface ExportRangeServiceInterfaceParams {
  hostId: string;
  internalStartPort: number;
  id: string;
  name: string;
  description: string;
  scheme: string | null;
}

/** Where an address comes from. */
export type HostnameMetadata =
  | { kind: "ipv4"; gateway: string }
  | { kind: "ipv6"; gateway: string; scopeId: number }
  | { kind: "mdns"; gateways: string[] }
  | { kind: "private-domain"; gateways: string[] }
  | { kind: "public-domain"; gateway: string }
  | { kind: "plugin"; packageId: string; removeAction: string | null; overflowActions: string[]; info: unknown };
/** One address of a port. */
export interface HostnameInfo {
  ssl: boolean;
  public: boolean;
  hostname: string;
  port: number | null;
  metadata: HostnameMetadata;
}
/** The ports outside that a binding has, plain and with TLS. */
export interface NetInfo {
  assignedPort: number | null;
  assignedSslPort: number | null;
}
/** The addresses that there are for a port, and what people switched on and off of them. */
export interface DerivedAddressInfo {
  enabled: string[];
  disabled: [string, number][];
  guaWan: string[];
  available: HostnameInfo[];
}
/** A port that is bound, with its addresses and interfaces. */
export interface BindInfo {
  enabled: boolean;
  options: BindOptions;
  net: NetInfo;
  addresses: DerivedAddressInfo;
  interfaces: { [id: string]: ServiceInterface };
}
/** A range of ports that is bound. */
export interface BindRangeInfo {
  enabled: boolean;
  externalStartPort: number;
  numberOfPorts: number;
  addresses: DerivedAddressInfo;
  interface: { id: string; name: string; description: string; scheme: string | null } | null;
}
/** A host of a package as the server knows it; `host.addresses` reads it. */
export interface Host {
  bindings: { [internalPort: number]: BindInfo };
  bindingRanges: { [internalStartPort: number]: BindRangeInfo };
  publicDomains: { [fqdn: string]: { gateway: string; acme: string | null } };
  privateDomains: { [fqdn: string]: string[] };
  portForwards: { src: string; dst: string; gateway: string; count?: number }[];
}
/** An address that this package supplies to another one. */
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

/** What happens after a backup. */
export type StartStop = "start" | "stop";
/** What is wanted of a service. */
export type DesiredStatus =
  | { main: "stopped" }
  | { main: "running" }
  | { main: "restarting"; restartAgain: boolean }
  | { main: "backing-up"; onComplete: StartStop };
/** How a package stands. */
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

/** How much a notification matters. */
export type NotificationLevel = "success" | "info" | "warning" | "error";
/** A number that a service publishes about itself. */
export interface Metric {
  id: string;
  name: string;
  unit: string | null;
  value: number;
}
/** What the effect notification.create takes. */
export interface CreateNotificationParams {
  level: NotificationLevel;
  title: string;
  message: string;
  data?: string | null;
}

/** What is counted. */
export type ProgressUnits = "bytes" | "steps";
/** Not begun, under way or done, so much of a total, or phases. */
export type Progress = null | boolean | { done: number; total: number | null; units: ProgressUnits | null } | FullProgress;
/** A progress that has phases. */
export interface FullProgress {
  overall: Progress;
  phases: NamedProgress[];
}
/** A phase of a progress. */
export interface NamedProgress {
  name: string;
  progress: Progress;
}

/** A build argument of an image: a text, or the name of a variable of the environment. */
export type BuildArg = string | { env: string };
/** Where an image comes from. */
export type ImageSource =
  | "packed"
  | { dockerBuild: { workdir?: string; dockerfile?: string; buildArgs?: { [key: string]: BuildArg } } }
  | { dockerTag: string };
/** An image of a package. */
export interface ImageConfig {
  source: ImageSource;
  arch: string[];
  emulateMissingAs: string | null;
  nvidiaContainer: boolean;
}
/** A device that the machine must have. */
export interface DeviceFilter {
  description: string;
  class: "processor" | "display";
  product: string | null;
  vendor: string | null;
  capabilities?: string[];
  driver?: string;
}
/** A plugin that a package is. */
export type PluginId = "url-v0";
/** What people read of a dependency before they install. */
export type DepInfo = { description: LocaleString | null; optional: boolean } & (
  | { metadata: { title: LocaleString; icon: string } }
  | { s9pk: string | null }
);
/** What the machine must have. */
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
