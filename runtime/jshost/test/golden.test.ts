/**
 * The exchanges in api/abi/testdata/effects, which a Go test reads too: calls of real packages, their texts replaced,
 * and calls written after the facts about those that none of these packages make. UPDATE_GOLDEN=1 writes the bytes anew.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { create, fromBinary, getOption, ScalarType, toBinary, type DescMethodUnary } from "@bufbuild/protobuf";
import { EffectsService } from "@hearthos/abi/hearth/effects/v1/effects_pb";
import { effect as effectOption } from "@hearthos/abi/hearth/options/v1/options_pb";
import { decode, encode, encodeJson } from "../src/codec.js";
import { paramsOf } from "./host.js";

interface CallExchange {
  effect: string;
  params: Record<string, unknown>;
  request: string;
}

interface ResultExchange {
  effect: string;
  result: unknown;
  response: string;
}

const dir = "../../api/abi/testdata/effects";
const methods = new Map(EffectsService.methods.map((m) => [getOption(m, effectOption), m as DescMethodUnary]));
const update = process.env["UPDATE_GOLDEN"] === "1";

function load<T>(name: string): T[] {
  return JSON.parse(readFileSync(`${dir}/${name}.json`, "utf8"));
}

function save(name: string, rows: object[]): void {
  if (update) writeFileSync(`${dir}/${name}.json`, `[\n${rows.map((r) => `  ${JSON.stringify(r)}`).join(",\n")}\n]\n`);
}

/** What never reaches the host: the event is known by the socket, a callback is a call of Await, a stack is a trace. */
const dropped = new Set(["eventId", "callback", "stack"]);

test("every call of a package arrives with all that the host needs", () => {
  const calls = load<CallExchange>("calls");
  for (const exchange of calls) {
    const method = methods.get(exchange.effect)!;
    const bytes = toBinary(method.input, encode(method.input, exchange.params));
    if (update) exchange.request = Buffer.from(bytes).toString("base64");
    assert.equal(Buffer.from(bytes).toString("base64"), exchange.request, exchange.effect);
    const arrived = paramsOf(method, fromBinary(method.input, bytes));
    for (const [name, value] of Object.entries(exchange.params)) {
      if (dropped.has(name)) assert.equal(name in arrived, false);
      else if (value === null) assert.equal(arrived[name], undefined, `${exchange.effect}.${name}`);
      else assert.deepEqual(arrived[name], value, `${exchange.effect}.${name}`);
    }
  }
  save("calls", calls);
});

test("every result arrives as the host gave it", () => {
  const results = load<ResultExchange>("results");
  for (const exchange of results) {
    const method = methods.get(exchange.effect)!;
    if (update) exchange.response = Buffer.from(toBinary(method.output, responseOf(method, exchange.result))).toString("base64");
    const response = fromBinary(method.output, Buffer.from(exchange.response, "base64"));
    assert.deepEqual(decode(method.output, response), exchange.result, exchange.effect);
  }
  save("results", results);
});

function responseOf(method: DescMethodUnary, result: unknown) {
  const field = method.output.field["value"];
  const etag = method.output.field["etag"] ? { etag: "7" } : {};
  if (result === null || !field) return create(method.output, etag);
  return create(method.output, { ...etag, value: field.scalar === ScalarType.STRING ? result : encodeJson(result) });
}

/** All effects that packages of StartOS 0.4 may call. */
const startosEffects = [
  "action.clear",
  "action.clear-tasks",
  "action.create-task",
  "action.export",
  "action.get-input",
  "action.run",
  "bind",
  "bind-range",
  "check-dependencies",
  "clear-bindings",
  "clear-service-interfaces",
  "export-range-service-interface",
  "export-service-interface",
  "get-container-ip",
  "get-data-version",
  "get-dependencies",
  "get-host-info",
  "get-installed-packages",
  "get-os-ip",
  "get-outbound-gateway",
  "get-service-interface",
  "get-service-manifest",
  "get-service-port-forward",
  "get-ssl-certificate",
  "get-ssl-key",
  "get-status",
  "get-system-smtp",
  "list-service-interfaces",
  "mount",
  "notification.create",
  "plugin.url.clear-urls",
  "plugin.url.export-url",
  "plugin.url.register",
  "restart",
  "set-backup-progress",
  "set-data-version",
  "set-dependencies",
  "set-health",
  "set-init-progress",
  "set-main-status",
  "shutdown",
  "subcontainer.create-fs",
  "subcontainer.destroy-fs",
];

/** Effects that StartOS has not. */
const ownEffects = ["set-metrics"];

test("the contract has every effect that packages call, and each has an exchange", () => {
  const calls = new Set(load<CallExchange>("calls").map((c) => c.effect));
  const results = new Set(load<ResultExchange>("results").map((r) => r.effect));
  for (const [effect, method] of methods) {
    if (!effect) continue;
    assert.ok(calls.has(effect), `${effect} has no call`);
    if (method.output.field["value"]) assert.ok(results.has(effect), `${effect} has no result`);
  }
  assert.deepEqual([...methods.keys()].filter(Boolean).sort(), [...startosEffects, ...ownEffects].sort());
});
