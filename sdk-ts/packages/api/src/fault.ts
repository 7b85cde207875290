import { ConnectError } from "@connectrpc/connect";
import { FaultSchema, type Fault } from "@hearthos/api/hearth/meta/v1/fault_pb";

/**
 * Tells why the server refused: the fault it raised, the same on every wire. Nothing when the error did not come from a
 * server, as when it could not be reached.
 * @example if (faultOf(error)?.reason === Reason.PACKAGE_NOT_FOUND) showEmptyPage();
 */
export function faultOf(error: unknown): Fault | undefined {
  return error instanceof ConnectError ? error.findDetails(FaultSchema)[0] : undefined;
}
