import { create, getOption, type MessageShape } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { FaultSchema, Reason, ReasonSchema } from "@hearthos/api/hearth/meta/v1/fault_pb";
import { reason as reasonOption } from "@hearthos/api/hearth/options/v1/options_pb";

export { Reason };

/** What a fault says on the wire. */
export type FaultDetail = MessageShape<typeof FaultSchema>;

// Message and fault travel in trailers, so they are bounded.
const maxMessage = 4 << 10;
const maxViolations = 32;

/** A field of a form and what is wrong with it. */
export interface Violation {
  field: string;
  message: string;
}

/** The error by which a call of hearth.jshost.v1 fails: the code follows from the reason.
 * @example throw new Fault(Reason.SERVICE_NOT_READY, "the package is not initialised");
 */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly detail: FaultDetail;

  constructor(reason: Reason, message: string, violations: Violation[] = []) {
    const text = bounded(message, maxMessage);
    super(text);
    this.detail = create(FaultSchema, {
      reason,
      message: text,
      violations: violations
        .slice(0, maxViolations)
        .map((v) => ({ field: bounded(v.field, 256), message: bounded(v.message, 256) })),
    });
  }

  /** The code of gRPC. */
  get code(): status {
    const info = ReasonSchema.value[this.detail.reason];
    return ((info && getOption(info, reasonOption).code) || status.INTERNAL) as number as status;
  }
}

/** Says in one readable text what package code threw, which may be anything. */
export function describe(err: unknown): string {
  if (typeof err === "string") return err;
  const issues = issuesOf(err);
  if (issues) return issues.map((i) => (i.field ? `${i.field}: ${i.message}` : i.message)).join("; ");
  if (err instanceof Error) return err.message || err.name;
  if (typeof err === "object" && err !== null) {
    const legacy = err as { message?: unknown; error?: unknown; "error-code"?: unknown };
    if (typeof legacy.message === "string") return legacy.message;
    if (typeof legacy.error === "string") return legacy.error;
    const coded = legacy["error-code"];
    if (Array.isArray(coded) && typeof coded[1] === "string") return coded[1];
    try {
      return JSON.stringify(err) ?? "an object that is no error";
    } catch {
      return "an object that is no error";
    }
  }
  return String(err);
}

/** Reads the fields that a package's validator (zod, or the one of our SDK) refused, from its error; undefined for other errors. */
export function issuesOf(err: unknown): Violation[] | undefined {
  if (!(err instanceof Error) || !/^(\$?ZodError|InvalidError)$/.test(err.name)) return undefined;
  const issues = (err as Error & { issues?: unknown }).issues;
  if (!Array.isArray(issues) || issues.length === 0) return undefined;
  return issues.map((issue: { path?: unknown; message?: unknown }) => ({
    field: Array.isArray(issue.path) ? issue.path.map(String).join(".") : "",
    message: typeof issue.message === "string" ? issue.message : "is not valid",
  }));
}

// Cuts a text to a number of UTF-8 bytes, never inside a character.
function bounded(text: string, limit: number): string {
  const bytes = Buffer.from(text.toWellFormed());
  if (bytes.length <= limit) return text.toWellFormed();
  let end = limit - 3;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end) + "…";
}
