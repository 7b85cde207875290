/**
 * The SDK by the names of `@start9labs/start-sdk` 2.x: a package for StartOS is built with it by changing what it imports
 * from. It is the same code as the rest, in other words.
 */
import type { Effects } from "../effects.js";
import { buildManifest as build } from "../manifest.js";
import { LazySubContainer, MadeSubContainer, type SubContainer as Sub } from "../subcontainer.js";
import { Daemons as AllDaemons, configHash } from "../daemons/daemons.js";
import { DaemonsReconciler as Reconciler } from "../daemons/reconciler.js";
import { smtpSelection, type SmtpSelection } from "../smtp.js";
import type { VersionGraph } from "../versions/graph.js";
import type { Manifest as BuiltManifest } from "../wire.js";
import * as formTypes from "./form.js";
import type { SDKManifest } from "./types.js";
import { zodOf } from "./zod.js";

export * as z from "./zod-all.js";
export * as YAML from "yaml";
export * as yaml from "yaml";
export * as TOML from "smol-toml";
export * as toml from "smol-toml";
export * as T from "./types.js";
export * as types from "./types.js";
export * as utils from "./utils.js";
export * as ISB from "./form.js";
export type * as IST from "../form/spec.js";
export { FileHelper } from "./files.js";
export { StartSdk } from "./sdk.js";
export { setupI18n } from "../i18n.js";
export { ExtendedVersion, Version } from "../versions/version.js";
export { VersionRange } from "../versions/range.js";
export { getDataVersion, IMPOSSIBLE, overlaps, setDataVersion, VersionGraph, VersionInfo } from "../versions/graph.js";
export type { SmtpSelection } from "../smtp.js";
export * as actions from "../actions.js";
export * as healthFns from "../daemons/checks.js";
export { configHash };
export type { DaemonsBuilder } from "../daemons/reconciler.js";
export const inputSpec = { builder: formTypes };

export type SubContainer<M extends SDKManifest = SDKManifest, _E extends Effects = Effects> = Sub<keyof M["images"] & string>;
export const SubContainer = {
  of: <M extends SDKManifest>(...args: ConstructorParameters<typeof LazySubContainer<keyof M["images"] & string>>) => new LazySubContainer<keyof M["images"] & string>(...args),
  eager: MadeSubContainer.make,
  withTemp: MadeSubContainer.with,
};
export type SubContainerEager<M extends SDKManifest = SDKManifest, _E extends Effects = Effects> = MadeSubContainer<keyof M["images"] & string>;
export const SubContainerEager = MadeSubContainer;
export type SubContainerLazy<M extends SDKManifest = SDKManifest, _E extends Effects = Effects> = LazySubContainer<keyof M["images"] & string>;
export const SubContainerLazy = LazySubContainer;
export type Daemons<_M extends SDKManifest, Ids extends string> = AllDaemons<Ids>;
export const Daemons = AllDaemons;
export type DaemonsReconciler<_M extends SDKManifest = SDKManifest> = Reconciler;
export const DaemonsReconciler = Reconciler;

/** A shape for the selection that the form for mail gives. */
export const smtpShape = zodOf<SmtpSelection>(smtpSelection);
/** The kept selection as the form takes it. */
export function smtpPrefill(smtp: SmtpSelection | null | undefined): any {
  return smtp ?? undefined;
}

/** Says what a package is. It stays as it is; its types are known from then on. */
export function setupManifest<const Id extends string, const Volume extends string, M extends { id: Id; volumes: Volume[] } & SDKManifest>(manifest: M & SDKManifest): M {
  return manifest;
}
/** Makes the manifest of the package file. */
export function buildManifest<M extends SDKManifest>(versions: VersionGraph<any>, manifest: M): M & BuiltManifest {
  return build(versions, manifest);
}
