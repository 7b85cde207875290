import { TaskSpec_Severity, type Task } from "@hearthos/api/hearth/actions/v1/actions_pb";
import {
  HealthCheckStatus_Result as Result,
  PackageSpec_Desired as Desired,
  PackageStatus_State as State,
  type HealthCheck,
  type Package,
} from "@hearthos/api/hearth/packages/v1/resources_pb";
import { replica } from "../../live/index.svelte.js";
import type { Tone } from "../../ui/Pill.svelte";

/** How a service is, in one word. */
export interface Status {
  readonly tone: Tone;
  /** Key of the word. */
  readonly word: string;
  /** Whether it is on its way to something else. */
  readonly moving: boolean;
}

const is = (tone: Tone, word: string, moving = false): Status => ({ tone, word: `page.status.${word}`, moving });

const fixed: Partial<Record<State, Status>> = {
  [State.FAILED]: is("bad", "failed"),
  [State.EXITING]: is("info", "removing", true),
  [State.CREATING]: is("info", "setting-up", true),
  [State.INITIALIZING]: is("info", "setting-up", true),
  [State.STARTING]: is("info", "starting", true),
  [State.STOPPING]: is("info", "stopping", true),
};

/** What a service is, from what was observed of it, of its checks and of what it asks for. */
export function statusOf(row: Package, checks: readonly HealthCheck[], tasks: readonly Task[]): Status {
  const state = row.status?.state ?? State.UNSPECIFIED;
  const wanted = row.spec?.desired === Desired.RUNNING;
  if (row.spec?.operation && state !== State.RUNNING) return is("info", "worked-on", true);
  const certain = fixed[state];
  if (certain !== undefined) return certain;
  if (state !== State.RUNNING) {
    if (critical(tasks)) return is("warn", "task");
    if (wanted) return is("info", "starting", true);
    return state === State.STOPPED ? is("idle", "stopped") : is("info", "setting-up", true);
  }
  if (!wanted) return is("info", "stopping", true);
  const results = checks.map((check) => check.status?.result);
  if (results.includes(Result.FAILURE)) return is("bad", "unhealthy");
  if (results.some((r) => r === Result.STARTING || r === Result.WAITING)) return is("info", "starting", true);
  if (results.includes(Result.LOADING)) return is("info", "loading", true);
  return is("good", "running");
}

export const critical = (tasks: readonly Task[]): boolean => tasks.some((task) => task.spec?.severity === TaskSpec_Severity.CRITICAL);

const looks: Record<Result, { tone: Tone; word: string }> = {
  [Result.UNSPECIFIED]: { tone: "idle", word: "waiting" },
  [Result.SUCCESS]: { tone: "good", word: "success" },
  [Result.DISABLED]: { tone: "idle", word: "disabled" },
  [Result.STARTING]: { tone: "info", word: "starting" },
  [Result.WAITING]: { tone: "info", word: "waiting" },
  [Result.LOADING]: { tone: "info", word: "loading" },
  [Result.FAILURE]: { tone: "bad", word: "failure" },
};

/** How what a check found is shown: its tone, and the key of its word after "word.". */
export const resultLook = (result: Result | undefined): { tone: Tone; word: string } => looks[result ?? Result.UNSPECIFIED] ?? looks[Result.UNSPECIFIED];

/** The tasks of a package that are to be done now, the gravest first. */
export function tasksOf(id: string): Task[] {
  const severity = (task: Task) => task.spec?.severity ?? 0;
  return replica
    .list("task", id)
    .filter((task) => task.status?.active)
    .sort((a, b) => severity(b) - severity(a));
}

/** The status of an installed package as the copy has it. */
export const liveStatus = (row: Package): Status => statusOf(row, replica.list("healthcheck", row.meta!.id), tasksOf(row.meta!.id));

/** The version that a service can be updated to, as far as the server has looked; empty where there is none. */
export function updateOf(row: Package): string {
  const found = replica.get("packageupdate", row.meta!.id)?.status;
  return found?.installedVersion === row.spec?.version ? (found?.version ?? "") : "";
}

/** What a person can be told about a service in a line: its failing check, else the check that is on its way. */
export function headline(id: string): string {
  const checks = replica.list("healthcheck", id);
  const grave = checks.find((c) => c.status?.result === Result.FAILURE) ?? checks.find((c) => c.status?.result === Result.LOADING);
  const { name = "", message = "" } = grave?.status ?? {};
  return [name, message].filter((part) => part !== "").join(": ");
}

/** Titles of services that run and need this one to run. */
export function dependents(id: string): string[] {
  return replica
    .list("dependency")
    .filter((row) => row.meta?.id.endsWith(`/${id}`) && row.spec?.running)
    .map((row) => replica.get("package", row.meta!.id.slice(0, -id.length - 1)))
    .filter((row): row is Package => row?.spec?.desired === Desired.RUNNING)
    .map((row) => row.spec?.title || row.meta!.id);
}
