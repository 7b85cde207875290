import { Code, ConnectError } from "@connectrpc/connect";
import { faultOf } from "@hearthos/api/client";
import { ReasonSchema, type Fault } from "@hearthos/api/hearth/meta/v1/fault_pb";
import { t, texts } from "./i18n.svelte.js";

/** What went wrong, for people. */
export interface Trouble {
  /** One sentence in the person's language. */
  readonly title: string;
  /** What the server says, with the values. */
  readonly detail: string;
  /** What helps. */
  readonly remedy: string;
}

/** Words a fault: what its reason means and what helps come from the catalogue, the particulars from the server. */
export function word(fault: Fault): Trouble {
  const name = ReasonSchema.value[fault.reason]?.name.replace(/^REASON_/, "") ?? "";
  const title = texts.has(`reason.${name}`) ? t(`reason.${name}`) : fault.message;
  const violations = fault.violations.map((v) => `${v.field}: ${v.message}`).join("; ");
  return {
    title,
    detail: [fault.message === title ? "" : fault.message, violations].filter((part) => part !== "").join(" · "),
    remedy: texts.has(`remedy.${name}`) ? t(`remedy.${name}`) : "",
  };
}

/** Words anything that was thrown. */
export function trouble(error: unknown): Trouble {
  const fault = faultOf(error);
  if (fault !== undefined) return word(fault);
  // What is not sent at all, as a number that no field can hold, is no matter of the way to the server.
  if (error instanceof ConnectError && error.code === Code.Internal) return { title: t("page.error.unreadable"), detail: error.rawMessage, remedy: "" };
  if (error instanceof ConnectError || error instanceof TypeError) {
    return { title: t("page.error.unreachable"), detail: "", remedy: t("page.error.unreachable-remedy") };
  }
  return { title: error instanceof Error ? error.message : String(error), detail: "", remedy: "" };
}
