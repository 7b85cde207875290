import { Reason } from "@hearthos/api/hearth/meta/v1/fault_pb";
import type { InstallPlan } from "@hearthos/api/hearth/packages/v1/plan_pb";
import { faultOf } from "@hearthos/api/client";
import { trouble, word, type Trouble } from "../../errors.js";
import { newId } from "../../ids.js";
import { hearth } from "../../live/index.svelte.js";

/** What an installed package can be updated to, or why that could not be found out. */
export interface Update {
  readonly id: string;
  readonly plan?: InstallPlan;
  readonly wrong?: Trouble;
}

/** Has the server look for newer versions, and asks it for the plan of each. */
export async function findUpdates(): Promise<Update[]> {
  const { updates } = await hearth.updates.findUpdates({});
  const plans = await Promise.all(
    updates.map(async ({ meta, status }): Promise<Update | undefined> => {
      const id = meta?.id ?? "";
      if (status?.unknown) return { id, wrong: word(status.unknown) };
      try {
        const { plan } = await hearth.packages.installPackage({ fromRegistry: { packageId: id }, validateOnly: true });
        return plan && { id, plan };
      } catch (error) {
        if (faultOf(error)?.reason === Reason.OFFER_NOT_FOUND) return undefined; // it is gone meanwhile
        return { id, wrong: trouble(error) };
      }
    }),
  );
  return plans.filter((update) => update !== undefined);
}

/** Begins an update; its operation is told by its id. */
export async function beginUpdate({ id, plan }: Update, acceptBreakage = false, acceptSigner = false): Promise<string> {
  const { operation } = await hearth.packages.installPackage({ fromRegistry: { packageId: id, version: plan?.toVersion ?? "" }, acceptBreakage, acceptSigner, requestId: newId() });
  return operation?.meta?.id ?? "";
}

/** Has the server update packages, one after the other, whether or not anybody looks: none that changes what somebody should decide. */
export async function beginAll(updates: readonly Update[]): Promise<void> {
  await hearth.updates.updatePackages({ ids: updates.map(({ id }) => id) });
}

/** Has one version not offered any more. */
export async function skip({ id, plan }: Update): Promise<void> {
  await hearth.updates.skipVersion({ id, version: plan?.toVersion ?? "" });
}
