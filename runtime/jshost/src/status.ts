import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Metadata, status, type ServiceError } from "@grpc/grpc-js";
import { FaultSchema } from "@hearthos/api/hearth/meta/v1/fault_pb";
import { Fault, Reason, type FaultDetail } from "./fault.js";

/**
 * How faults travel: in the trailer of gRPC's richer errors, as a detail of google.rpc.Status. Only the two fields of
 * that message and the two of google.protobuf.Any that are needed are known here.
 */
const trailer = "grpc-status-details-bin";
const typeUrl = `type.googleapis.com/${FaultSchema.typeName}`;

/** Makes the status by which a server answers an error. */
export function statusOf(err: unknown): Partial<ServiceError> {
  const fault = err instanceof Fault ? err : new Fault(Reason.INTERNAL, err instanceof Error ? err.message : String(err));
  const any = new BinaryWriter()
    .tag(1, WireType.LengthDelimited).string(typeUrl)
    .tag(2, WireType.LengthDelimited).bytes(toBinary(FaultSchema, fault.detail))
    .finish();
  const rich = new BinaryWriter()
    .tag(1, WireType.Varint).int32(fault.code)
    .tag(2, WireType.LengthDelimited).string(fault.message)
    .tag(3, WireType.LengthDelimited).bytes(any)
    .finish();
  const metadata = new Metadata();
  metadata.set(trailer, Buffer.from(rich));
  return { code: fault.code, details: fault.message, metadata };
}

/** The status by which a call failed. */
export interface Refusal {
  code: status;
  message: string;
  fault: FaultDetail | undefined;
}

/** Reads the status out of the error of a call; undefined for errors that are none. */
export function refusalOf(err: unknown): Refusal | undefined {
  const { code, details, metadata } = (err ?? {}) as Partial<ServiceError>;
  if (!(err instanceof Error) || typeof code !== "number") return undefined;
  const rich = metadata?.get(trailer)[0];
  const fault = rich instanceof Uint8Array ? faultIn(rich) : undefined;
  return { code, message: fault?.message || details || err.message, fault };
}

function faultIn(rich: Uint8Array): FaultDetail | undefined {
  try {
    for (const any of fields(rich, 3)) {
      const [url] = fields(any, 1);
      const [value] = fields(any, 2);
      if (value && url && new TextDecoder().decode(url) === typeUrl) return fromBinary(FaultSchema, value);
    }
  } catch {
    // A damaged detail is worth no more than none.
  }
  return undefined;
}

function fields(bytes: Uint8Array, number: number): Uint8Array[] {
  const reader = new BinaryReader(bytes);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === number && type === WireType.LengthDelimited) found.push(reader.bytes());
    else reader.skip(type, field);
  }
  return found;
}
