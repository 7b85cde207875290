/** The names of types that packages for StartOS know as `T`. */
import type { Action, Actions } from "../actions.js";
import type { Buildable, Effects } from "../effects.js";
import type * as W from "../wire.js";
import type { Init, Uninit } from "../init.js";
import type { Requirement } from "../dependencies.js";

export type * from "../wire.js";
export type { Effects } from "../effects.js";
export type { Buildable as DaemonBuildable } from "../effects.js";
export type { SyncOptions } from "../backups.js";
export { UseEntrypoint, type CommandType } from "../daemons/command.js";
export type * as inputSpecTypes from "../form/spec.js";
export type { HealthCheckResult as HealthCheck } from "../daemons/checks.js";
export type { InputSpec } from "./form.js";

export type ActionId = string;
export type HealthCheckId = string;
export type HostId = string;
export type ImageId = string;
export type PackageId = string;
export type ReplayId = string;
export type ServiceInterfaceId = string;
export type VolumeId = string;
export type Version = string;
export type VersionString = string;
export type Guid = string;
export type GatewayId = string;
export type Message = string;
export type TimeMs = number;
export type UrlString = string;
export type Signals = NodeJS.Signals;
export type Algorithm = "ecdsa" | "ed25519";
export type DependencyKind = "running" | "exists";
export type Dependencies = W.DependencyRequirement[];
export type SmtpValue = W.SmtpValue;
export const SIGTERM: Signals = "SIGTERM";
export const SIGKILL: Signals = "SIGKILL";
export const NO_TIMEOUT = -1;

export namespace ExpectedExports {
  export type createBackup = (options: { effects: Effects }) => Promise<unknown>;
  export type main = (options: { effects: Effects }) => Promise<Buildable>;
  export type init = Init;
  export type uninit = Uninit;
  export type manifest = W.Manifest;
  export type actions = Actions<Record<string, Action<string, any>>>;
}
export interface ABI {
  createBackup: ExpectedExports.createBackup;
  main: ExpectedExports.main;
  init: ExpectedExports.init;
  uninit: ExpectedExports.uninit;
  manifest: ExpectedExports.manifest;
  actions: ExpectedExports.actions;
}

type Arches = "x86_64" | "aarch64" | "riscv64";
/** What a packager says of a package; each image names an architecture once. */
export interface SDKManifest {
  readonly id: string;
  readonly title: string;
  readonly license: string;
  readonly packageRepo: string;
  readonly upstreamRepo: string;
  readonly marketingUrl: string;
  readonly donationUrl: string | null;
  readonly description: { readonly short: W.LocaleString; readonly long: W.LocaleString };
  osVersion?: string;
  readonly images: Record<string, SDKImageInputSpec>;
  readonly volumes: string[];
  readonly dependencies: Record<string, W.DepInfo>;
  readonly hardwareRequirements?: { readonly device?: W.DeviceFilter[]; readonly ram?: number | null };
  readonly hardwareAcceleration?: boolean;
  readonly userspaceFilesystems?: boolean;
  readonly virtualNetworking?: boolean;
  readonly plugins?: W.PluginId[];
}
export interface SDKImageInputSpec {
  source: Exclude<W.ImageSource, "packed">;
  arch?: Arches[];
  emulateMissingAs?: Arches | null;
  nvidiaContainer?: boolean;
}
export type ManifestDependency = W.DepInfo;

export type RequiredDependencies<M extends SDKManifest> = {
  [K in keyof M["dependencies"]]: Exclude<M["dependencies"][K], undefined>["optional"] extends false ? K : never;
}[keyof M["dependencies"]];
export type OptionalDependencies<M extends SDKManifest> = Exclude<keyof M["dependencies"], RequiredDependencies<M>>;
/** What a package says that it needs now: all that its manifest calls needed, and of the rest what it wants. */
export type CurrentDependenciesResult<M extends SDKManifest> = { [K in RequiredDependencies<M>]: Requirement } & { [K in OptionalDependencies<M>]?: Requirement };

export type DeepWritable<T> = { -readonly [K in keyof T]: T[K] };
export type DeepReadonly<T> = { readonly [P in keyof T]: DeepReadonly<T[P]> };
