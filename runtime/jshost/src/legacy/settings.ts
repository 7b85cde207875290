import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Effects } from "@hearthos/sdk/effects";
import { initialValue } from "@hearthos/sdk/form/initial";
import { parse } from "@hearthos/sdk/schema";
import { place } from "@hearthos/sdk/places";
import { isRecord } from "@hearthos/sdk/values";
import type { ActionInput } from "@hearthos/sdk/wire";
import { configureDependencies, neededOf, tellDependencies } from "./dependencies.js";
import { describeConfig } from "./form.js";
import { ownVolume } from "./manifest.js";
import { fillPointers } from "./pointers.js";
import type { Procedures } from "./procedures.js";
import { valueOf } from "./script.js";

/** The task by which a package that was never configured keeps from starting. */
export const needsConfig = "needs-config";

/** The configuration of a package: what its procedures read and write, as a form and an answer to it. */
export class Settings {
  constructor(readonly procedures: Procedures) {}

  /** What the package says of its configuration, and what that is; null where there is none yet. */
  async #read(effects: Effects): Promise<{ spec: unknown; config: Record<string, unknown> | null }> {
    const { config } = this.procedures.manifest;
    if (!config) return { spec: {}, config: null };
    const answer = valueOf(await this.procedures.run(effects, config.get, { way: ["getConfig"], name: "read the configuration" }));
    const found = isRecord(answer) ? answer : {};
    // It is changed here, and may be the script's own.
    return structuredClone({ spec: found["spec"] ?? {}, config: isRecord(found["config"]) ? found["config"] : null });
  }

  /** The form, filled in with what is chosen or with what the package has for those who chose nothing. */
  async form(effects: Effects): Promise<ActionInput> {
    const { spec, config } = await this.#read(effects);
    const described = describeConfig(spec);
    const { spec: form } = await described.form.build({ effects, prefill: null });
    return { eventId: effects.eventId ?? "", spec: form, value: { ...initialValue(form), ...(config ? described.shown(config) : {}) } };
  }

  /** Takes an answer to the form; a service that runs is started anew. */
  async choose(effects: Effects, input: unknown): Promise<void> {
    const { config: procedures } = this.procedures.manifest;
    if (!procedures) throw new Error("the package has no configuration");
    const { spec, config } = await this.#read(effects);
    const described = describeConfig(spec);
    const { validator } = await described.form.build({ effects, prefill: null });
    const value = parse(validator, isRecord(input) ? input : {});
    const chosen = await fillPointers(effects, this.procedures.manifest, spec, described.told(value, config ?? {}));
    const answer = valueOf(await this.procedures.run(effects, procedures.set, { way: ["setConfig"], name: "write the configuration", input: chosen }));
    await this.#keep(chosen);
    await tellDependencies(effects, this.procedures.manifest, neededOf(answer));
    await effects.action.clearTasks({ only: [needsConfig] });
    await configureDependencies(effects, this.procedures);
    await effects.restart();
  }

  /** Keeps what is chosen for the packages that have values of it. */
  async refresh(effects: Effects): Promise<void> {
    const { config } = await this.#read(effects);
    if (config) await this.#keep(config);
  }

  async #keep(config: Record<string, unknown>): Promise<void> {
    const file = join(place("volumes"), ownVolume, "config.json");
    await mkdir(join(file, ".."), { recursive: true });
    await writeFile(`${file}.new`, JSON.stringify(config));
    await rename(`${file}.new`, file);
  }

  /** Whether something is chosen. */
  async chosen(effects: Effects): Promise<boolean> {
    const kept = await readFile(join(place("volumes"), ownVolume, "config.json"), "utf8").catch(() => null);
    return kept !== null || (await this.#read(effects)).config !== null;
  }
}
