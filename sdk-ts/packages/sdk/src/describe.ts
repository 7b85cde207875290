import type { Effects } from "./effects.js";
import type { FileModel } from "./files.js";
import type { Volume } from "./volumes.js";
import type { CommandType, StopSignal } from "./daemons/command.js";
import type { HealthCheckResult } from "./daemons/checks.js";
import type { Trigger } from "./daemons/trigger.js";
import type { InterfaceOptions, Protocol } from "./interfaces.js";
import type { Arch, ManifestOptions } from "./manifest.js";
import type { RandomString } from "./form/spec.js";
import type { ActionInfo, TaskOptions } from "./actions.js";
import type * as W from "./wire.js";

/** Where an image comes from: a tag of a registry, or a folder it is built in. */
export type ImageText = string | { tag?: string; build?: { workdir?: string; dockerfile?: string }; arch?: Arch[]; emulate?: Arch | null; nvidia?: boolean };

/** What is to be seen at a place: a volume by its name, with a folder in it after a slash, or more. */
export type MountText<Volume extends string> =
  | Volume
  | `${Volume}/${string}`
  | { volume: Volume; folder?: string; file?: string; readonly?: boolean }
  /** A folder of the package's assets, or a file; "" is all of them. */
  | { assets: string }
  | { from: string; volume: string; folder?: string; readonly?: boolean };

interface ReadyText {
  /** The name that people see; without one the check is for the others only. */
  name?: string;
  /** How long after the start a failure counts as starting, in seconds. */
  grace?: number;
  every?: Trigger;
  well?: string;
  ill?: string;
}
/** How it is known that a part is well: something listens at a port, answers at a URL, a command succeeds (as the part itself is run), or a function says. */
export type ReadyOptions = ReadyText & ({ port: number } | { url: string } | { command: string[] } | { check: () => Promise<HealthCheckResult> | HealthCheckResult });

interface Run<Image extends string, Volume extends string, Part extends string> {
  image: Image;
  /** The command; without one it is the entrypoint of the image. */
  command?: CommandType;
  mounts?: Record<string, MountText<Volume>>;
  env?: Record<string, string | { reveal(): string } | undefined>;
  user?: string;
  cwd?: string;
  /** The parts that must be well first. */
  after?: Part[];
  /** By which signal it is told to end; without one it is the image's own, which mostly is SIGTERM. */
  signal?: StopSignal;
  /** How long it may take to end, in seconds; what has not ended then is killed. */
  patience?: number;
  /** What else it is made of, as the text of a file that it reads at its start: the part begins anew when this changes. */
  from?: unknown;
  /** For programs that want to be the first process. */
  asInit?: boolean;
}
/** A part of the service: a command that is kept running, or (once) one that has to succeed before others begin. */
export type PartText<Image extends string, Volume extends string, Part extends string> =
  | (Run<Image, Volume, Part> & { once: true; ready?: undefined })
  | (Run<Image, Volume, Part> & { once?: false; ready: ReadyOptions });

/** A port that people or others reach. */
export interface InterfaceText {
  port: number;
  name: string;
  description: string;
  type?: W.ServiceInterfaceType;
  /** What is spoken at the port; tcp is what has no protocol of its own here and is led on as it comes. */
  protocol?: Protocol | "tcp";
  /** The port outside, where it is free. */
  external?: number;
  path?: string;
  query?: Record<string, string>;
  masked?: boolean;
  scheme?: InterfaceOptions["schemeOverride"];
  addSsl?: Partial<W.AddSslOptions>;
  noAddSsl?: boolean;
}

/** Another package that is needed. With `running` it must run, and the checks named must be well. */
export interface NeedText {
  versions: string;
  running?: boolean | string[];
  optional?: boolean;
  title: string;
  why?: W.LocaleString;
}

/**
 * A version of the package, and what it does to the data of the one before.
 * @example
 * const second: VersionText = {
 *   version: "2.0.0:0",
 *   notes: "Pages have a colour",
 *   up: ({ settings }: MigrationFiles) => settings.rewrite((old) => ({ ...old, colour: "blue" })),
 * };
 */
export interface VersionText {
  version: string;
  notes: W.LocaleString;
  /** Takes data of the version before to this one. */
  up?: (files: MigrationFiles) => Promise<void>;
  /** Takes data back to the version before; without it there is no way back. */
  down?: (files: MigrationFiles) => Promise<void>;
}
/** What a migration works on. */
export interface MigrationFiles {
  effects: Effects;
  /** The settings as they stand in their file, whatever the form of this version says of them. */
  settings: Pick<FileModel<any>, "path" | "rewrite">;
  volumes: Record<string, Volume>;
}

export type AboutText = Pick<ManifestOptions, "id" | "title" | "license"> & {
  short: W.LocaleString;
  long: W.LocaleString;
  /** Where the package is developed, and where the software is. */
  packageRepo: string;
  upstreamRepo: string;
  website: string;
  donations?: string;
  hardware?: { ram?: number; devices?: W.DeviceFilter[]; acceleration?: boolean; fuse?: boolean; tun?: boolean };
};

/** A task for people: an action, of this package or published by another, and why. */
export interface TaskText<A extends ActionInfo<string, any> = ActionInfo<string, any>> {
  action: A;
  severity: W.TaskSeverity;
  of?: string;
  options?: TaskOptions<A>;
}

/**
 * Makes a task, with the types of the action's form.
 * @example
 * const choose = action({ id: "choose", name: "Choose", description: "Chooses", input: form({ name: field.text({ name: "Name" }) }), run: async () => null });
 * const first = task(choose, "important", { reason: "It needs a name" });
 * assert.equal(first.severity, "important");
 */
export function task<A extends ActionInfo<string, any>>(action: A, severity: W.TaskSeverity, options?: TaskOptions<A> & { of?: string }): TaskText<A> {
  const { of, ...rest } = options ?? {};
  return { action, severity, ...(of === undefined ? {} : { of }), options: rest as TaskOptions<A> };
}

/**
 * An action of another package, known by its type alone: nothing of that package's code comes along.
 * @example
 * // Of another package its type alone is imported: published<typeof import("other-package").rename>("rename")
 * const rename = published<ActionInfo<"rename", { name: string }>>("rename");
 * const asked = task(rename, "important", { of: "other-package", reason: "It needs a name" });
 * assert.equal(asked.of, "other-package");
 */
export function published<A extends ActionInfo<string, any>>(id: A["id"]): ActionInfo<A["id"], A["_INPUT"]> {
  return { id } as ActionInfo<A["id"], A["_INPUT"]>;
}

export type SecretTexts<Names extends string> = Record<Names, RandomString>;
