import type { Effects } from "@hearthos/sdk/effects";
import { parse } from "@hearthos/sdk/schema";
import { isRecord } from "@hearthos/sdk/values";
import type { ActionInput, ActionMetadata, ActionResult, ActionResultMember } from "@hearthos/sdk/wire";
import { describeConfig } from "./form.js";
import type { LegacyAction } from "./manifest.js";
import type { Procedures } from "./procedures.js";
import { valueOf } from "./script.js";
import type { Settings } from "./settings.js";

// Groups of properties lie within each other, as deep as their code says.
const maxDepth = 8;
const maxProperties = 1024;

/** An action as the host runs it. */
export interface Runnable {
  metadata: ActionMetadata;
  getInput(options: { effects: Effects }): Promise<ActionInput | null>;
  run(options: { effects: Effects; input: unknown }): Promise<ActionResult | null>;
}

const always = { warning: null, visibility: "enabled", allowedStatuses: "any", group: null } as const;

/** The actions of a package: those of its manifest, its configuration and its properties. */
export function actionsOf(procedures: Procedures, settings: Settings): Map<string, Runnable> {
  const { manifest } = procedures;
  const actions = new Map<string, Runnable>();
  if (manifest.config) {
    const metadata = { ...always, name: "Configure", description: `Configure ${manifest.title}`, hasInput: true };
    actions.set("config", {
      metadata,
      getInput: ({ effects }) => settings.form(effects),
      run: async ({ effects, input }) => {
        await settings.choose(effects, input);
        return null;
      },
    });
  }
  if (manifest.properties) {
    const metadata = { ...always, name: "Properties", description: "What the service tells of itself, such as names and passwords", hasInput: false };
    actions.set("properties", { metadata, getInput: async () => null, run: ({ effects }) => showProperties(effects, procedures) });
  }
  for (const [id, action] of manifest.actions) if (!actions.has(id)) actions.set(id, runnable(procedures, id, action));
  return actions;
}

function runnable(procedures: Procedures, id: string, action: LegacyAction): Runnable {
  const { name, description, warning, running, stopped } = action;
  const described = action.input === null ? null : describeConfig(action.input);
  const allowedStatuses = running && stopped ? "any" : running ? "only-running" : "only-stopped";
  return {
    metadata: { ...always, name, description, warning, allowedStatuses, hasInput: described !== null },
    getInput: async ({ effects }) => described && { eventId: effects.eventId ?? "", spec: (await described.form.build({ effects, prefill: null })).spec, value: null },
    run: async ({ effects, input }) => {
      const told = described && described.told(parse((await described.form.build({ effects, prefill: null })).validator, isRecord(input) ? input : {}), {});
      const answer = valueOf(await procedures.run(effects, action.procedure, { way: ["action", id], name: `action ${id}`, input: told ?? {} }));
      return resultOf(answer);
    },
  };
}

function resultOf(answer: unknown): ActionResult | null {
  if (typeof answer === "string") return { version: "0", message: answer, value: null, copyable: false, qr: false };
  if (!isRecord(answer)) return null;
  const { message, value, copyable, qr } = answer;
  return { version: "0", message: String(message ?? ""), value: value == null ? null : String(value), copyable: copyable === true, qr: qr === true };
}

async function showProperties(effects: Effects, procedures: Procedures): Promise<ActionResult> {
  const answer = valueOf(await procedures.run(effects, procedures.manifest.properties!, { way: ["properties"], name: "properties" }));
  const data = isRecord(answer) && isRecord(answer["data"]) ? answer["data"] : {};
  const value = members(data, 0);
  return { version: "1", title: "Properties", message: value.length === 0 ? "There are no properties yet." : null, result: value.length === 0 ? null : { type: "group", value } };
}

function members(data: Record<string, unknown>, depth: number): ActionResultMember[] {
  return Object.entries(data).slice(0, maxProperties).flatMap(([name, one]): ActionResultMember[] => {
    if (!isRecord(one)) return [];
    const description = typeof one["description"] === "string" ? one["description"] : null;
    if (one["type"] === "object") return isRecord(one["value"]) && depth < maxDepth ? [{ type: "group", name, description, value: members(one["value"], depth + 1) }] : [];
    return [{ type: "single", name, description, value: String(one["value"] ?? ""), copyable: one["copyable"] === true, masked: one["masked"] === true, qr: one["qr"] === true }];
  });
}

/** Tells the host all actions; those of before that are no more go. */
export async function tellActions(effects: Effects, actions: Map<string, Runnable>): Promise<void> {
  for (const [id, { metadata }] of actions) await effects.action.export({ id, metadata });
  await effects.action.clear({ except: [...actions.keys()] });
}
