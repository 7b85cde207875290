import { Reason } from "@hearthos/api/hearth/meta/v1/fault_pb";
import type { InstallPlan } from "@hearthos/api/hearth/packages/v1/plan_pb";
import { faultOf } from "@hearthos/api/client";
import { trouble, type Trouble } from "../../errors.js";
import { texts } from "../../i18n.svelte.js";
import { newId } from "../../ids.js";
import { hearth, replica } from "../../live/index.svelte.js";
import { isOpen } from "../activity/counts.js";

/** What an installed package can be updated to, or why that could not be found out. */
export interface Update {
  readonly id: string;
  readonly plan?: InstallPlan;
  readonly wrong?: Trouble;
}

/** The installed packages of which a registry has another version than the installed one; whether it is newer is asked next. */
async function candidates(): Promise<string[]> {
  const found = new Set<string>();
  let pageToken = "";
  do {
    const answer = await hearth.registries.searchPackages({ language: texts.language, pageSize: 500, pageToken });
    for (const offer of answer.offers) {
      if (offer.installedVersion !== "" && offer.best.some((v) => v.version !== offer.installedVersion)) found.add(offer.packageId);
    }
    pageToken = answer.nextPageToken;
  } while (pageToken !== "");
  return [...found].filter((id) => replica.get("package", id) !== undefined).sort();
}

/** Asks the server for the plan of the newest version that each package can be updated to. */
export async function findUpdates(): Promise<Update[]> {
  const plans = await Promise.all(
    (await candidates()).map(async (id): Promise<Update | undefined> => {
      try {
        const { plan } = await hearth.packages.installPackage({ fromRegistry: { packageId: id }, validateOnly: true });
        return plan && { id, plan };
      } catch (error) {
        const reason = faultOf(error)?.reason;
        if (reason === Reason.OFFER_NOT_FOUND) return undefined; // nothing newer
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

/** Waits for the end of an operation. */
export function ended(operation: string): Promise<void> {
  return new Promise((resolve) => {
    const stop = $effect.root(() => {
      $effect(() => {
        const row = replica.get("operation", operation);
        if (row === undefined || isOpen(row)) return;
        resolve();
        queueMicrotask(() => stop());
      });
    });
  });
}
