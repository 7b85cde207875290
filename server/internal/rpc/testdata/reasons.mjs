// Asks for packages by every protocol of the TypeScript client and prints the faults of the refusals.
//
//   node client.mjs SOCKET WEB GRPC ROOTFILE ID...
import { readFileSync } from "node:fs";
import { toJson } from "@bufbuild/protobuf";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { bearer, createHearth, faultOf } from "@hearthos/api/client";
import { FaultSchema } from "@hearthos/api/hearth/meta/v1/fault_pb";

const [socketPath, web, grpc, root, ...ids] = process.argv.slice(2);
const ca = readFileSync(root);
const interceptors = [bearer("viewer")];
const far = { interceptors, nodeOptions: { ca } };
const wires = {
  "connect socket": createConnectTransport({ baseUrl: "http://hearth", httpVersion: "1.1", interceptors, nodeOptions: { socketPath } }),
  "connect": createConnectTransport({ ...far, baseUrl: web, httpVersion: "2", idleConnectionTimeoutMs: 1 }),
  "grpc-web": createGrpcWebTransport({ ...far, baseUrl: web, httpVersion: "1.1" }),
  "grpc": createGrpcTransport({ ...far, baseUrl: grpc, idleConnectionTimeoutMs: 1 }),
  "grpc web port": createGrpcTransport({ ...far, baseUrl: web, idleConnectionTimeoutMs: 1 }),
};
const told = [];
for (const [wire, transport] of Object.entries(wires)) {
  const { packages } = createHearth(transport);
  for (const id of ids) {
    const error = await packages.getPackage({ id }).then(() => undefined, (e) => e);
    const fault = faultOf(error);
    if (fault === undefined) throw error ?? new Error(`${id} was answered`);
    told.push({ wire, id, fault: toJson(FaultSchema, fault) });
  }
}
console.log(JSON.stringify(told));
