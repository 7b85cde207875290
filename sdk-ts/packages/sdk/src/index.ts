/**
 * What packages are written with.
 *
 * A package is a description: `definePackage` reads it and gives the calls that the host makes. What the description does
 * not reach is in the parts below, which the calls are made of.
 */
export * as file from "./file.js";
export * as host from "./hosted.js";
export * as health from "./health.js";
export * as patterns from "./patterns.js";
export * as smtp from "./smtp.js";
export * as wire from "./wire.js";
export type { Buildable, Effects } from "./effects.js";
export { action, Actions, createTask, inputOf, runAction, say, type Action, type ActionInfo, type Shown, type TaskOptions } from "./actions.js";
export { Backups, setupBackups } from "./backups.js";
export { Daemons } from "./daemons/daemons.js";
export { DaemonsReconciler } from "./daemons/reconciler.js";
export { UseEntrypoint } from "./daemons/command.js";
export { checkDependencies } from "./dependencies.js";
export { field, form, Form, randomText, type FormSpec, type FormValue } from "./form/index.js";
export { setupI18n } from "./i18n.js";
export { setupInit, setupUninit, type InitKind } from "./init.js";
export { MultiHost, RangeInterfaceBuilder, ServiceInterfaceBuilder, setupInterfaces } from "./interfaces.js";
export { buildManifest } from "./manifest.js";
export { Mounts } from "./mounts.js";
export { FullProgressTracker, PhaseHandle } from "./progress.js";
export { defaults, InvalidError, type Infer, type Schema } from "./schema.js";
export { Secret, secrets } from "./secret.js";
export { ExitError, LazySubContainer, MadeSubContainer, type SubContainer } from "./subcontainer.js";
export { Volume } from "./volumes.js";
export { ExtendedVersion, Version } from "./versions/version.js";
export { VersionRange } from "./versions/range.js";
export { IMPOSSIBLE, VersionGraph, VersionInfo } from "./versions/graph.js";
export { Watchable } from "./watch.js";
export { definePackage, type Context } from "./package.js";
export { published, task, type MigrationFiles, type VersionText } from "./describe.js";
