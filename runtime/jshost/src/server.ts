import { chmodSync, rmSync } from "node:fs";
import { create, fromBinary, toBinary, type DescMethodUnary, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type handleUnaryCall, type ServiceDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { ExecuteRequestSchema, ExitRequestSchema, IdleResponseSchema, InitRequestSchema, JsHostService } from "@hearthos/abi/hearth/jshost/v1/jshost_pb";
import { decodeJson, encodeJson } from "./codec.js";
import { Fault, Reason } from "./fault.js";
import { maxMessage } from "./host.js";
import type { Service } from "./service.js";
import { statusOf } from "./status.js";

// How long an answer to Exit may take to its caller.
const lastAnswers = 1000;

/**
 * Serves hearth.jshost.v1 on a unix socket, replacing what lies there. Calls are not tied to their callers: one that
 * goes away ends nothing. `exited` is called when an Exit that succeeded has been answered.
 */
export async function serve(socket: string, service: Service, exited: () => void): Promise<Server> {
  const server = new Server({
    "grpc.max_receive_message_length": maxMessage,
    "grpc.max_send_message_length": maxMessage,
    "grpc.enable_channelz": 0,
  });
  const leave = () => {
    // The answer is under way when the handler has returned; the server closes when it has been taken.
    setImmediate(() => server.tryShutdown(exited));
    setTimeout(exited, lastAnswers).unref();
  };
  server.addService(definition(), implementation(service, leave));
  rmSync(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (err) => (err ? reject(err) : resolve()));
  });
  chmodSync(socket, 0o600);
  return server;
}

/** Describes the service to gRPC: requests and responses stay bytes. */
function definition(): ServiceDefinition {
  const asIs = (value: Buffer) => value;
  return Object.fromEntries(
    JsHostService.methods.map((method) => [
      method.localName,
      {
        path: `/${JsHostService.typeName}/${method.name}`,
        requestStream: false,
        responseStream: false,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      },
    ]),
  );
}

type Answer = { output?: Uint8Array } | MessageInitShape<typeof IdleResponseSchema>;
type Methods = { [K in keyof typeof JsHostService.method]: (request: Uint8Array) => Promise<Answer> };

function implementation(service: Service, leave: () => void): UntypedServiceImplementation {
  const methods: Methods = {
    init: async (bytes) => {
      const request = fromBinary(InitRequestSchema, bytes);
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
    exit: async (bytes) => {
      const request = fromBinary(ExitRequestSchema, bytes);
      await service.exit(request.eventId, request.target);
      leave();
      return {};
    },
    execute: async (bytes) => {
      const request = fromBinary(ExecuteRequestSchema, bytes);
      return { output: encodeJson(await service.execute(request.eventId, request.procedure, readInput(request))) };
    },
    idle: async () => {
      const { busy, quiet, waits } = service.idle();
      return { busy, quiet: { seconds: BigInt(Math.floor(quiet / 1000)), nanos: Math.floor(quiet % 1000) * 1e6 }, waits };
    },
    ping: async () => ({}),
  };
  return Object.fromEntries(JsHostService.methods.map((m) => [m.localName, unary(m as DescMethodUnary, methods[m.localName as keyof Methods])]));
}

function unary(method: DescMethodUnary, run: (request: Uint8Array) => Promise<Answer>): handleUnaryCall<Buffer, Buffer> {
  return (call, callback) => {
    run(call.request).then(
      (response) => callback(null, Buffer.from(toBinary(method.output, create(method.output, response)))),
      (err: unknown) => callback(statusOf(err)),
    );
  };
}

function readInput(request: MessageShape<typeof ExecuteRequestSchema>): unknown {
  try {
    return decodeJson(request.input);
  } catch {
    throw new Fault(Reason.INVALID_ARGUMENT, "the input is not JSON", [{ field: "input", message: "is not JSON" }]);
  }
}
