import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { UsageStatusSchema } from "@hearthos/api/hearth/packages/v1/usage_pb";
import { expect, test } from "vitest";
import { kept, Measured } from "./measured.js";

const used = (second: number, cpuLoad = 1) => create(UsageStatusSchema, { time: timestampFromMs(second * 1000), cpuLoad, memoryBytes: 7n });

test("what was measured is kept for half an hour, each time once", () => {
  const measured = new Measured();
  for (const second of [10, 10, 20, 10 + kept]) measured.service("a", used(second));
  expect(measured.of("a").map(({ at }) => at)).toEqual([20, 10 + kept]);
  expect(measured.of("b")).toEqual([]);
  measured.forget("a");
  expect(measured.of("a")).toEqual([]);
});

test("a clock that is set back begins anew", () => {
  const measured = new Measured();
  measured.service("a", used(5000));
  measured.service("a", used(100));
  expect(measured.of("a").map(({ at }) => at)).toEqual([100]);
});

test("what was never measured is nothing", () => {
  const measured = new Measured();
  measured.service("a", create(UsageStatusSchema, { cpuLoad: 3 }));
  measured.server(undefined);
  expect(measured.of("a")).toEqual([]);
});
