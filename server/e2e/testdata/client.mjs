// Makes one call by the TypeScript client and prints the answer, or the fault of the refusal, as JSON. The test of the
// wires runs it on its machine.
//
//   node client.mjs connect|grpc|grpc-web TARGET TOKEN ROOTFILE list|start
import { readFileSync } from "node:fs";
import { toJson } from "@bufbuild/protobuf";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { bearer, createHearth, faultOf } from "@hearthos/api/client";
import { FaultSchema } from "@hearthos/api/hearth/meta/v1/fault_pb";
import { ListPackagesResponseSchema, StartPackageResponseSchema } from "@hearthos/api/hearth/packages/v1/packages_pb";

const [wire, target, token, root, call] = process.argv.slice(2);
const interceptors = token === "" ? [] : [bearer(token)];
const local = target.startsWith("unix:");
const nodeOptions = local ? { socketPath: target.slice("unix:".length) } : { ca: readFileSync(root) };
const options = { baseUrl: local ? "http://hearth" : target, interceptors, nodeOptions };
const transports = {
  connect: () => createConnectTransport({ ...options, httpVersion: "1.1" }),
  "grpc-web": () => createGrpcWebTransport({ ...options, httpVersion: "1.1" }),
  grpc: () => createGrpcTransport({ ...options, idleConnectionTimeoutMs: 1 }),
};
const hearth = createHearth(transports[wire]());
const calls = {
  list: async () => toJson(ListPackagesResponseSchema, await hearth.packages.listPackages({})),
  start: async () => toJson(StartPackageResponseSchema, await hearth.packages.startPackage({ id: "hello-hearth" })),
};
try {
  console.log(JSON.stringify({ result: await calls[call]() }));
} catch (error) {
  const fault = faultOf(error);
  if (fault === undefined) throw error;
  console.log(JSON.stringify({ fault: toJson(FaultSchema, fault) }));
}
