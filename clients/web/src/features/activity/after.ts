import { OperationStatus_State as State, type Operation } from "@hearthos/api/hearth/operations/v1/operations_pb";
import { Role } from "@hearthos/api/hearth/options/v1/options_pb";

/** For how long it is told of an operation that failed where people look at what it was about, in milliseconds. */
const toldFor = 24 * 60 * 60 * 1000;

/** Whether an installation, an update or a rollback failed a short time ago. */
export function undone({ spec, status }: Operation, now: number): boolean {
  if (status?.state !== State.FAILED || !status.endTime || !["install", "update", "rollback"].includes(spec?.kind ?? "")) return false;
  return now - Number(status.endTime.seconds) * 1000 < toldFor;
}

/** What there is after an operation that did not succeed: the key of a text, the command line's, and the version it is about. */
export function after({ spec, status }: Operation): { readonly key: string; readonly version: string } | undefined {
  if ((status?.state !== State.FAILED && status?.state !== State.CANCELLED) || status.leftBehind.length > 0) return undefined;
  const back = status.reverted;
  if (back) return { key: back.running ? "operation.back-started" : "operation.back-stopped", version: back.version };
  if (spec?.kind === "install") return { key: "operation.not-installed", version: "" };
  const version = spec?.parameters["from"] ?? "";
  return version !== "" && (spec?.kind === "update" || spec?.kind === "rollback") ? { key: "operation.untouched", version } : undefined;
}

/** The kinds that the server can begin anew from what is recorded of them; of an installation, say, the file is gone. */
const repeatable: ReadonlySet<string> = new Set(["backup", "collect-garbage", "delete-data", "delete-snapshot", "rollback", "uninstall"]);

/** Whether an operation has ended without success and can be begun anew, which is for whoever may begin it: administrators. */
export function mayRepeat({ spec, status }: Operation, role: Role): boolean {
  const failed = status?.state === State.FAILED || status?.state === State.CANCELLED;
  return failed && role >= Role.ADMIN && repeatable.has(spec?.kind ?? "");
}
