import type { Effects } from "./effects.js";
import { VersionRange, type ValidateExVerRange } from "./versions/range.js";
import { ExtendedVersion } from "./versions/version.js";
import type { CheckDependenciesResult, DependencyRequirement } from "./wire.js";

/** What is needed of another package: that it runs and these checks of it are well, or only that it is there. */
export type Requirement = { kind: "running"; healthChecks: string[]; versionRange: string } | { kind: "exists"; versionRange: string };
/** Refuses text that is no range of versions. */
export type ValidateRanges<R> = {
  [K in keyof R]: R[K] extends { versionRange: infer V } ? (V extends string ? ([ValidateExVerRange<V>] extends [never] ? Omit<R[K], "versionRange"> & { versionRange: never } : R[K]) : R[K]) : R[K];
};

/** Tells the host what the service needs now. */
export async function setDependencies(effects: Effects, needed: Record<string, Requirement | undefined>): Promise<null> {
  const dependencies = Object.entries(needed).flatMap(([id, one]): DependencyRequirement[] => (one ? [{ id, ...one }] : []));
  return effects.setDependencies({ dependencies });
}

export interface CheckDependencies<Id extends string = string> {
  infoFor: (id: Id) => { requirement: DependencyRequirement; result: CheckDependenciesResult };
  installedSatisfied: (id: Id) => boolean;
  installedVersionSatisfied: (id: Id) => boolean;
  runningSatisfied: (id: Id) => boolean;
  tasksSatisfied: (id: Id) => boolean;
  healthCheckSatisfied: (id: Id, check: string) => boolean;
  satisfied: () => boolean;
  throwIfInstalledNotSatisfied: (id: Id) => null;
  throwIfInstalledVersionNotSatisfied: (id: Id) => null;
  throwIfRunningNotSatisfied: (id: Id) => null;
  throwIfTasksNotSatisfied: (id: Id) => null;
  throwIfHealthNotSatisfied: (id: Id, check?: string) => null;
  throwIfNotSatisfied: (id?: Id) => null;
}

/**
 * Looks how the packages are that this one needs, all or those named.
 * @example
 * const needed = await checkDependencies(effects);
 * assert.ok(needed.satisfied());
 */
export async function checkDependencies<Id extends string = string>(effects: Effects, ids?: Id[]): Promise<CheckDependencies<Id>> {
  const [required, results] = await Promise.all([effects.getDependencies(), effects.checkDependencies(ids ? { packageIds: ids } : {})]);
  const all = required.filter(({ id }) => !ids || ids.includes(id as Id)).map(({ id }) => id as Id);
  const infoFor = (id: Id) => {
    const requirement = required.find((one) => one.id === id);
    const result = results.find((one) => one.packageId === id);
    if (!requirement || !result) throw new Error(`${id} is not a dependency of this package now`);
    return { requirement, result };
  };
  const named = (id: Id) => infoFor(id).result.title ?? id;
  // Each gives the reason why something is not so, or null.
  const installed = (id: Id) => (infoFor(id).result.installedVersion === null ? `${named(id)} is not installed` : null);
  const version = (id: Id) => {
    const { requirement, result } = infoFor(id);
    const range = VersionRange.parse(requirement.versionRange);
    const found = [result.installedVersion, ...result.satisfies].filter((one): one is string => one !== null);
    return found.some((one) => ExtendedVersion.parse(one).satisfies(range)) ? null : `${named(id)} has version ${result.installedVersion ?? "none"}, needed is ${requirement.versionRange}`;
  };
  const running = (id: Id) => {
    const { requirement, result } = infoFor(id);
    return requirement.kind === "running" && !result.isRunning ? `${named(id)} does not run` : null;
  };
  const tasks = (id: Id) => (Object.values(infoFor(id).result.tasks).some(({ active, task }) => active && task.severity === "critical") ? `${named(id)} waits for a task` : null);
  const health = (id: Id, check?: string) => {
    const { requirement, result } = infoFor(id);
    const checks = check !== undefined ? [check] : requirement.kind === "running" ? requirement.healthChecks : [];
    const ill = checks.find((one) => result.healthChecks[one]?.result !== "success");
    return ill === undefined ? null : `the check ${result.healthChecks[ill]?.name ?? ill} of ${named(id)} is not well`;
  };
  const anything = (id: Id) => installed(id) ?? version(id) ?? running(id) ?? tasks(id) ?? health(id);
  const thrown = (why: string | null) => {
    if (why !== null) throw new Error(why);
    return null;
  };
  return {
    infoFor,
    installedSatisfied: (id) => installed(id) === null,
    installedVersionSatisfied: (id) => version(id) === null,
    runningSatisfied: (id) => running(id) === null,
    tasksSatisfied: (id) => tasks(id) === null,
    healthCheckSatisfied: (id, check) => health(id, check) === null,
    satisfied: () => all.every((id) => anything(id) === null),
    throwIfInstalledNotSatisfied: (id) => thrown(installed(id)),
    throwIfInstalledVersionNotSatisfied: (id) => thrown(version(id)),
    throwIfRunningNotSatisfied: (id) => thrown(running(id)),
    throwIfTasksNotSatisfied: (id) => thrown(tasks(id)),
    throwIfHealthNotSatisfied: (id, check) => thrown(health(id, check)),
    throwIfNotSatisfied: (id) => thrown((id === undefined ? all : [id]).map(anything).find((why) => why !== null) ?? null),
  };
}
