import { create } from "@bufbuild/protobuf";
import { OperationSchema, OperationStatus_State as State, type Operation } from "@hearthos/api/hearth/operations/v1/operations_pb";
import { Role } from "@hearthos/api/hearth/options/v1/options_pb";
import { describe, expect, test } from "vitest";
import { after, mayRepeat, undone } from "./after.js";

const ended = (kind: string, state: State, more: { reverted?: { version: string; running: boolean }; leftBehind?: string[]; seconds?: bigint } = {}): Operation =>
  create(OperationSchema, {
    spec: { kind, target: "hello", parameters: { from: "1.0.0:0", version: "1.1.0:0" } },
    status: { state, reverted: more.reverted, leftBehind: more.leftBehind, endTime: { seconds: more.seconds ?? 1000n } },
  });

describe("what is told after an operation", () => {
  test("is which version is back, and whether it was started", () => {
    expect(after(ended("update", State.FAILED, { reverted: { version: "1.0.0:0", running: true } }))).toEqual({ key: "operation.back-started", version: "1.0.0:0" });
    expect(after(ended("rollback", State.CANCELLED, { reverted: { version: "1.0.0:0", running: false } }))).toEqual({ key: "operation.back-stopped", version: "1.0.0:0" });
    expect(after(ended("update", State.FAILED))).toEqual({ key: "operation.untouched", version: "1.0.0:0" });
    expect(after(ended("install", State.FAILED))?.key).toBe("operation.not-installed");
  });

  test("is nothing where it succeeded, goes on, left something behind, or is of another kind", () => {
    expect(after(ended("update", State.SUCCEEDED))).toBeUndefined();
    expect(after(ended("update", State.UNDOING))).toBeUndefined();
    expect(after(ended("update", State.FAILED, { leftBehind: ["the data"] }))).toBeUndefined();
    expect(after(ended("backup", State.FAILED))).toBeUndefined();
  });

  test("stands on the page of a service for a day, and only of what failed", () => {
    expect(undone(ended("update", State.FAILED), 1000_000 + 60_000)).toBe(true);
    expect(undone(ended("update", State.FAILED), 1000_000 + 25 * 3600_000)).toBe(false);
    expect(undone(ended("update", State.CANCELLED), 1000_000)).toBe(false);
    expect(undone(ended("uninstall", State.FAILED), 1000_000)).toBe(false);
  });

  test("is a way to begin it anew for administrators, of a kind that can be", () => {
    expect(mayRepeat(ended("uninstall", State.CANCELLED), Role.ADMIN)).toBe(true);
    expect(mayRepeat(ended("backup", State.FAILED), Role.OWNER)).toBe(true);
    expect(mayRepeat(ended("uninstall", State.CANCELLED), Role.OPERATOR)).toBe(false);
    expect(mayRepeat(ended("install", State.FAILED), Role.ADMIN)).toBe(false);
    expect(mayRepeat(ended("rollback", State.SUCCEEDED), Role.ADMIN)).toBe(false);
  });
});
