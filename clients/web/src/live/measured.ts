import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { UsageStatus } from "@hearthos/api/hearth/packages/v1/usage_pb";
import type { ServerUsageStatus } from "@hearthos/api/hearth/system/v1/machine_pb";
import { SvelteMap } from "svelte/reactivity";

/** What was used at one time. Rates are bytes in a second. */
export interface Sample {
  /** Seconds since 1970. */
  readonly at: number;
  /** How many processors were busy. */
  readonly cpu: number;
  readonly memory: number;
  readonly receive: number;
  readonly send: number;
  readonly read: number;
  readonly write: number;
}

/** How long what was measured is kept, in seconds. */
export const kept = 30 * 60;

/** The id under which the machine itself is measured; no package has it. */
export const machine = "";

/**
 * What was measured lately, of each service and of the machine. The server keeps the newest alone: the page remembers what it
 * has seen while it was open.
 */
export class Measured {
  readonly #samples = new SvelteMap<string, readonly Sample[]>();

  of(id: string): readonly Sample[] {
    return this.#samples.get(id) ?? [];
  }

  service(id: string, status: UsageStatus | undefined): void {
    if (status?.time === undefined) return;
    this.#add(id, {
      at: timestampDate(status.time).getTime() / 1000,
      cpu: status.cpuLoad,
      memory: Number(status.memoryBytes),
      receive: status.receiveRate,
      send: status.sendRate,
      read: status.readRate,
      write: status.writeRate,
    });
  }

  server(status: ServerUsageStatus | undefined): void {
    if (status?.time === undefined) return;
    this.#add(machine, {
      at: timestampDate(status.time).getTime() / 1000,
      cpu: status.cpuLoad,
      memory: Number(status.memoryTotalBytes - status.memoryAvailableBytes),
      receive: 0,
      send: 0,
      read: 0,
      write: 0,
    });
  }

  forget(id: string): void {
    this.#samples.delete(id);
  }

  #add(id: string, sample: Sample): void {
    const before = this.of(id);
    // A clock that was set back begins anew; the same measurement may come twice.
    const last = before.at(-1)?.at ?? 0;
    if (sample.at === last) return;
    const usable = sample.at < last ? [] : before.filter(({ at }) => at > sample.at - kept);
    this.#samples.set(id, [...usable, sample]);
  }
}
