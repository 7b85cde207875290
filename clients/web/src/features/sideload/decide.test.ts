import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { InstallPlanSchema, Permission_Kind as Kind } from "@hearthos/api/hearth/packages/v1/plan_pb";
import { expect, test } from "vitest";
import { needsWord } from "./decide.js";

const update = { fromVersion: "1.0:0", toVersion: "1.1:0", fromRegistry: "samples", toRegistry: "samples" };

test.each<[string, MessageInitShape<typeof InstallPlanSchema>, boolean]>([
  ["an update of the same kind from the same registry", {}, false],
  ["more permissions", { permissionsAdded: [{ kind: Kind.VIRTUAL_NETWORKING }] }, true],
  ["fewer permissions", { permissionsRemoved: [{ kind: Kind.VIRTUAL_NETWORKING }] }, false],
  ["another registry", { toRegistry: "other" }, true],
  ["a registry where there was none", { fromRegistry: "" }, true],
  ["another flavor", { otherFlavor: true }, true],
  ["what is installed anew", { fromVersion: "", permissionsAdded: [{ kind: Kind.PLUGIN }], fromRegistry: "" }, false],
])("%s", (_, change, want) => {
  expect(needsWord(create(InstallPlanSchema, { ...update, ...change }))).toBe(want);
});
