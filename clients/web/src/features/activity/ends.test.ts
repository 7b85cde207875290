import { create } from "@bufbuild/protobuf";
import { OperationSchema, OperationStatus_State as State } from "@hearthos/api/hearth/operations/v1/operations_pb";
import { expect, test } from "vitest";
import { Ends } from "./ends.js";

const operation = (id: string, state: State) => create(OperationSchema, { meta: { id }, spec: { kind: "install", target: "hello" }, status: { state } });
const ids = (rows: readonly { meta?: { id: string } }[]) => rows.map((row) => row.meta?.id);

test("an operation that ends is told once, and one that ended before anybody looked is not", () => {
  const ends = new Ends();
  expect(ends.of([operation("old", State.SUCCEEDED), operation("new", State.RUNNING)])).toEqual([]);
  expect(ends.of([operation("old", State.SUCCEEDED), operation("new", State.UNDOING)])).toEqual([]);
  expect(ids(ends.of([operation("old", State.SUCCEEDED), operation("new", State.FAILED)]))).toEqual(["new"]);
  expect(ends.of([operation("old", State.SUCCEEDED), operation("new", State.FAILED)])).toEqual([]);
  expect(ends.of([operation("new", State.RUNNING)])).toEqual([]);
  expect(ids(ends.of([operation("new", State.SUCCEEDED)]))).toEqual(["new"]);
});
