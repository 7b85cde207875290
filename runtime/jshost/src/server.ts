import { chmodSync, rmSync } from "node:fs";
import { createServer, type Http2Server } from "node:http2";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { JsHostService } from "@hearthos/abi/hearth/jshost/v1/jshost_pb";
import { decodeJson, encodeJson } from "./codec.js";
import { fault, Reason } from "./fault.js";
import { maxMessage } from "./host.js";
import type { Service } from "./service.js";

/**
 * Serves hearth.jshost.v1 on a unix socket, replacing what lies there. Calls are not tied to their callers: one that
 * goes away ends nothing. `exited` is called when an Exit that succeeded has been answered.
 */
export async function serve(socket: string, service: Service, exited: () => void): Promise<Http2Server> {
  let leaving = false;
  const adapter = connectNodeAdapter({
    connect: false,
    grpcWeb: false,
    acceptCompression: [],
    readMaxBytes: maxMessage,
    writeMaxBytes: maxMessage,
    routes: (router) => routes(router, service, () => (leaving = true)),
  });
  const server = createServer((request, response) => {
    response.on("close", () => leaving && exited());
    adapter(request, response);
  });
  rmSync(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socket, resolve);
  });
  chmodSync(socket, 0o600);
  return server;
}

function routes(router: ConnectRouter, service: Service, leave: () => void): void {
  router.service(JsHostService, {
    init: async (request) => {
      await service.init(request.eventId, request.kind);
      return {};
    },
    start: async () => {
      await service.start();
      return {};
    },
    stop: async () => {
      await service.stop();
      return {};
    },
    exit: async (request) => {
      await service.exit(request.eventId, request.target);
      leave();
      return {};
    },
    execute: async (request) => ({
      output: encodeJson(await service.execute(request.eventId, request.procedure, readInput(request.input))),
    }),
  });
}

function readInput(bytes: Uint8Array): unknown {
  try {
    return decodeJson(bytes);
  } catch {
    throw fault(Reason.INVALID_ARGUMENT, "the input is not JSON", [{ field: "input", message: "is not JSON" }]);
  }
}
