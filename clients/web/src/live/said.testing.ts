import { create } from "@bufbuild/protobuf";
import { ProgressSchema } from "@hearthos/api/hearth/operations/v1/operations_pb";
import { PackageSchema } from "@hearthos/api/hearth/packages/v1/resources_pb";
import { ChangeSchema, UpdateSchema, Update_Phase as Phase, type Change, type Update } from "@hearthos/api/hearth/state/v1/state_pb";
import type { Part } from "./replica.svelte.js";

// What a server says on its feed, for tests.

export function written(id: string, revision: bigint, title = id): Change {
  return create(ChangeSchema, {
    kind: "package", id, revision,
    resource: { kind: { case: "package", value: create(PackageSchema, { meta: { id, revision }, spec: { title } }) } },
  });
}
export const gone = (id: string, revision: bigint): Change => create(ChangeSchema, { kind: "package", id, revision });
export const progress = (id: string): Change =>
  create(ChangeSchema, { kind: "progress", id, resource: { kind: { case: "progress", value: create(ProgressSchema, { meta: { id } }) } } });
export const snapshot = (changes: Change[], bookmark = "", revision = 0n, targets: Part[] = ["first"]): Update =>
  create(UpdateSchema, { targets, phase: Phase.SNAPSHOT, changes, bookmark, revision });
export const changes = (list: Change[], bookmark = "", revision = 0n, targets: Part[] = ["first"]): Update =>
  create(UpdateSchema, { targets, phase: Phase.CHANGES, changes: list, bookmark, revision });
