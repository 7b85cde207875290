import { DependencyState_State as State, type DependencyState } from "@hearthos/api/hearth/packages/v1/packages_pb";
import { t } from "../../i18n.svelte.js";
import { hearth, replica } from "../../live/index.svelte.js";

const words: Record<State, string> = {
  [State.UNSPECIFIED]: "page.dependency.unknown",
  [State.SATISFIED]: "page.dependency.satisfied",
  [State.NOT_INSTALLED]: "page.dependency.not-installed",
  [State.VERSION]: "page.dependency.version",
  [State.NOT_RUNNING]: "page.dependency.not-running",
  [State.UNHEALTHY]: "page.dependency.unhealthy",
  [State.TASK]: "page.dependency.task",
};

/** Whether a service has what it needs of another, in words. */
export const stateText = (state: State): string => t(words[state]);

/** What people call the service that another one needs. */
export function needed(id: string, on: string): string {
  return replica.get("package", on)?.spec?.title || replica.get("dependency", `${id}/${on}`)?.spec?.title || on;
}

/** What a service needs of others as the server judges it; nothing is asked where it needs nobody. */
export async function needsOf(id: string): Promise<readonly DependencyState[]> {
  return replica.list("dependency", id).length === 0 ? [] : (await hearth.packages.getPackage({ id })).dependencyStates;
}

/** What a service does not have, each with the name of who should give it. */
export async function lacks(id: string): Promise<string[]> {
  const missing = (await needsOf(id)).filter(({ state }) => state !== State.SATISFIED && state !== State.UNSPECIFIED);
  return missing.map(({ packageId, state }) => `${needed(id, packageId)}: ${stateText(state)}`);
}

/** Where a package that is not installed is looked for. */
export const searchFor = (id: string): string => `/discover?search=${encodeURIComponent(id)}`;
