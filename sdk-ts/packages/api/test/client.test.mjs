import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { bearer, createHearth, faultOf } from "@hearthos/api/client";
import { FaultSchema, Reason } from "@hearthos/api/hearth/meta/v1/fault_pb";
import { PackageService } from "@hearthos/api/hearth/packages/v1/packages_pb";
import { StateService } from "@hearthos/api/hearth/state/v1/state_pb";

/**
 * A server with one package for the bearer of "good", which refuses everybody else as Hearth does.
 * @param {import("node:test").TestContext} t
 */
async function serve(t) {
  const server = createServer(connectNodeAdapter({
    routes: (router) => router.service(StateService, {
      async *watch({ targets }) {
        for (const { id, bookmark } of targets) yield { updates: [{ targets: [id], bookmark: `${bookmark}, and more` }] };
      },
    }).service(PackageService, {
      listPackages(_, context) {
        if (context.requestHeader.get("authorization") !== "Bearer good") {
          const fault = create(FaultSchema, { reason: Reason.UNAUTHENTICATED, message: "who are you?" });
          throw new ConnectError(fault.message, Code.Unauthenticated, undefined, [{ desc: FaultSchema, value: fault }]);
        }
        return { packages: [{ meta: { id: "hello", revision: 1n << 60n } }] };
      },
    }),
  }));
  await new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(undefined)));
  t.after(() => server.close());
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return `http://127.0.0.1:${address.port}`;
}

/** @type {[string, (options: import("@connectrpc/connect-node").ConnectTransportOptions) => import("@connectrpc/connect").Transport][]} */
const wires = [["connect", createConnectTransport], ["grpc-web", createGrpcWebTransport]];

for (const [wire, transport] of wires) {
  test(`${wire}: the token is sent and the answer typed`, async (t) => {
    const baseUrl = await serve(t);
    const hearth = createHearth(transport({ baseUrl, httpVersion: "1.1", interceptors: [bearer("good")] }));
    const { packages } = await hearth.packages.listPackages({});
    assert.deepEqual(packages.map((p) => [p.meta?.id, p.meta?.revision]), [["hello", 1n << 60n]]);
  });

  test(`${wire}: a watch sends its targets and streams what is told of them`, async (t) => {
    const baseUrl = await serve(t);
    const hearth = createHearth(transport({ baseUrl, httpVersion: "1.1" }));
    const told = [];
    for await (const { updates } of hearth.state.watch({ targets: [{ id: "a", bookmark: "1" }, { id: "b", bookmark: "2" }] })) {
      told.push(...updates.map((u) => [...u.targets, u.bookmark]));
    }
    assert.deepEqual(told, [["a", "1, and more"], ["b", "2, and more"]]);
  });

  test(`${wire}: a refusal has its fault`, async (t) => {
    const baseUrl = await serve(t);
    const hearth = createHearth(transport({ baseUrl, httpVersion: "1.1" }));
    const error = await hearth.packages.listPackages({}).then(() => undefined, (e) => e);
    const fault = faultOf(error);
    assert.equal(fault?.reason, Reason.UNAUTHENTICATED);
    assert.equal(fault?.message, "who are you?");
  });
}

test("a server that is not there raised no fault", async () => {
  const hearth = createHearth(createConnectTransport({ baseUrl: "http://127.0.0.1:1", httpVersion: "1.1" }));
  const error = await hearth.packages.listPackages({}).then(() => undefined, (e) => e);
  assert.ok(error instanceof ConnectError);
  assert.equal(faultOf(error), undefined);
  assert.equal(faultOf(new Error("elsewhere")), undefined);
});
