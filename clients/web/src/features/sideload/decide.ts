import type { InstallPlan } from "@hearthos/api/hearth/packages/v1/plan_pb";

/**
 * Whether an update changes what somebody should decide about: what the service may, where its updates come from, or which edition
 * it is. The server installs none of these by itself; whoever has it installed is to have seen it.
 */
export function needsWord({ fromVersion, fromRegistry, toRegistry, otherFlavor, permissionsAdded }: InstallPlan): boolean {
  return fromVersion !== "" && (fromRegistry !== toRegistry || otherFlavor || permissionsAdded.length > 0);
}
