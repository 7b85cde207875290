import type { Effects } from "./effects.js";
import type { AnyForm, BuildOptions } from "./form/field.js";
import type { FormValue } from "./form/form.js";
import type { FormSpec } from "./form/spec.js";
import type { InitScript } from "./init.js";
import { parse, type Schema } from "./schema.js";
import type * as W from "./wire.js";

export type RunResult = (W.ActionResult & { version: "1" }) | null | void | undefined;
export type Run<Input extends Record<string, any>> = (options: { effects: Effects; input: Input; spec: FormSpec }) => Promise<RunResult>;
export type GetInput<Input extends Record<string, any>> = (options: { effects: Effects; prefill: W.DeepPartial<Input> | null }) => Promise<W.DeepPartial<Input> | null | void | undefined>;
export type MaybeFn<T, Options = { effects: Effects }> = T | ((options: Options) => Promise<T>);
export type Described = Omit<W.ActionMetadata, "hasInput">;

/** What others know of an action: enough to make a task of it. */
export interface ActionInfo<Id extends string, Input extends Record<string, any>> {
  readonly id: Id;
  readonly _INPUT: Input;
}

/** An action as a package exports it. */
export interface Action<Id extends string, Input extends Record<string, any>> extends ActionInfo<Id, Input> {
  exportMetadata(options: { effects: Effects }): Promise<W.ActionMetadata>;
  getInput(options: { effects: Effects; prefill: W.DeepPartial<Input> | null }): Promise<W.ActionInput>;
  run(options: { effects: Effects; input: Input }): Promise<W.ActionResult | null>;
}

interface Asked {
  spec: FormSpec;
  validator: Schema<any>;
}

/** How many forms that were asked for are kept for the run that may follow. Others are made again. */
const keptForms = 32;

class Made<Id extends string, Input extends Record<string, any>> implements Action<Id, Input> {
  declare readonly _INPUT: Input;
  // The form of each call that was asked for, by its event: what is run is held against the form that was seen.
  readonly #asked = new Map<string, Asked>();

  constructor(
    readonly id: Id,
    private readonly described: MaybeFn<Described>,
    private readonly form: MaybeFn<AnyForm, BuildOptions<unknown>> | null,
    private readonly getValue: GetInput<Input>,
    private readonly runFn: Run<Input>,
  ) {}

  async exportMetadata({ effects }: { effects: Effects }): Promise<W.ActionMetadata> {
    const described = typeof this.described === "function" ? await this.described({ effects }) : this.described;
    const metadata = { ...described, hasInput: this.form !== null };
    await effects.action.export({ id: this.id, metadata });
    return metadata;
  }

  async getInput({ effects, prefill }: { effects: Effects; prefill: W.DeepPartial<Input> | null }): Promise<W.ActionInput> {
    const { spec } = await this.#build(effects, prefill);
    const value = this.form ? ((await this.getValue({ effects, prefill })) ?? null) : {};
    return { eventId: effects.eventId ?? "", spec, value: value as Record<string, unknown> | null };
  }

  async run({ effects, input }: { effects: Effects; input: Input }): Promise<W.ActionResult | null> {
    const kept = effects.eventId === null ? undefined : this.#asked.get(effects.eventId);
    const { spec, validator } = kept ?? (await this.#build(effects, null));
    const read = this.form ? (parse(validator, input) as Input) : ({} as Input);
    const result = await this.runFn({ effects, input: read, spec });
    if (effects.eventId !== null) this.#asked.delete(effects.eventId);
    return result ?? null;
  }

  async #build(effects: Effects, prefill: W.DeepPartial<Input> | null): Promise<Asked> {
    if (!this.form) return { spec: {}, validator: nothing };
    const options: BuildOptions<any> = { effects, prefill };
    const form = typeof this.form === "function" ? await this.form(options) : this.form;
    const asked = await form.build(options);
    if (effects.eventId !== null) {
      for (const id of [...this.#asked.keys()].slice(0, Math.max(0, this.#asked.size - keptForms + 1))) this.#asked.delete(id);
      this.#asked.set(effects.eventId, asked as Asked);
    }
    return asked as Asked;
  }
}

const nothing: Schema<any> = { "~standard": { version: 1, vendor: "hearth", validate: () => ({ value: {} }) } };

/** Makes an action with a form. */
export function actionWithInput<Id extends string, F extends AnyForm>(
  id: Id,
  described: MaybeFn<Described>,
  form: MaybeFn<F, BuildOptions<unknown>>,
  getInput: GetInput<FormValue<F>>,
  run: Run<FormValue<F>>,
): Action<Id, FormValue<F>> {
  return new Made(id, described, form as MaybeFn<AnyForm, BuildOptions<unknown>>, getInput, run);
}

/** Makes an action without a form. */
export function actionWithoutInput<Id extends string>(id: Id, described: MaybeFn<Described>, run: Run<{}>): Action<Id, {}> {
  return new Made<Id, {}>(id, described, null, async () => null, run);
}

/** What people read of an action; what is not said is ordinary. */
export interface ActionText {
  name: string;
  description: string;
  warning?: string | null;
  group?: string | null;
  /** When it can be run. */
  when?: W.AllowedStatuses;
  visibility?: W.ActionVisibility;
  /** Who else than people may run it. */
  access?: W.ActionAccess;
}

export function describe(text: ActionText): Described {
  return {
    name: text.name,
    description: text.description,
    warning: text.warning ?? null,
    group: text.group ?? null,
    allowedStatuses: text.when ?? "any",
    visibility: text.visibility ?? "enabled",
    ...(text.access ? { access: text.access } : {}),
  };
}

/**
 * Makes an action. With `input` people fill in a form first, whose value the function gets.
 * @example
 * const rename = action({
 *   id: "rename", name: "Rename", description: "Gives it another name.",
 *   input: form({ name: field.text({ name: "Name" }) }),
 *   run: async ({ input }) => say("Renamed", `It is called ${input.name} now.`),
 * });
 * assert.equal((await rename.run({ effects, input: { name: "Ada" } }))?.version, "1");
 */
export function action<const Id extends string, F extends AnyForm>(
  options: { id: Id; input: MaybeFn<F, BuildOptions<unknown>>; prefill?: GetInput<FormValue<F>>; run: Run<FormValue<F>> } & ActionText,
): Action<Id, FormValue<F>>;
export function action<const Id extends string>(options: { id: Id; input?: undefined; run: Run<{}> } & ActionText): Action<Id, {}>;
export function action(options: { id: string; input?: any; prefill?: GetInput<any>; run: Run<any> } & ActionText): Action<string, any> {
  if (options.input === undefined) return actionWithoutInput(options.id, describe(options), options.run);
  return actionWithInput(options.id, describe(options), options.input, options.prefill ?? (async () => null), options.run);
}

/**
 * The result of an action: a title, a sentence, and a value to look at, or several by their names.
 * @example
 * const result = say("Done", "The account was made", { User: "ada", Password: { value: "s3cret", masked: true } });
 * assert.equal(result.result?.type, "group");
 */
export function say(title: string, message: string | null = null, value: string | Shown | Record<string, string | Shown> | null = null): W.ActionResult & { version: "1" } {
  if (value === null) return { version: "1", title, message, result: null };
  if (typeof value === "string" || isShown(value)) return { version: "1", title, message, result: single(value) };
  const members = Object.entries(value).map(([name, one]) => ({ name, description: null, ...single(one) }));
  return { version: "1", title, message, result: { type: "group", value: members } };
}

/** A value in the result of an action. A masked one is hidden until somebody asks for it. */
export interface Shown {
  value: string;
  copyable?: boolean;
  masked?: boolean;
  qr?: boolean;
}
function isShown(value: object): value is Shown {
  return "value" in value && ["copyable", "masked", "qr"].some((key) => key in value);
}
function single(value: string | Shown) {
  const shown = typeof value === "string" ? { value } : value;
  return { type: "single" as const, value: shown.value, copyable: shown.copyable ?? true, masked: shown.masked ?? false, qr: shown.qr ?? false };
}

/**
 * The actions of a package, in the order in which people see them. Immutable.
 * @example
 * const show = action({ id: "show", name: "Show", description: "Shows it", run: async () => say("Here it is") });
 * const actions = Actions.of().addAction(show);
 * await actions.init(effects);
 * assert.equal(testHost.actions.get("show")?.name, "Show");
 */
export class Actions<All extends Record<string, Action<string, any>>> implements InitScript {
  private constructor(private readonly all: All) {}

  static of(): Actions<{}> {
    return new Actions({});
  }

  addAction<A extends Action<string, any>>(added: A): Actions<All & { [id in A["id"]]: A }> {
    return new Actions({ ...this.all, [added.id]: added } as All & { [id in A["id"]]: A });
  }

  get<Id extends string>(id: Id): All[Id] {
    return (Object.hasOwn(this.all, id) ? this.all[id] : undefined) as All[Id];
  }

  /** Tells the host all actions; what their descriptions read with `const` describes them anew when it changes. */
  async init(effects: Effects): Promise<void> {
    for (const [id, one] of Object.entries(this.all)) await exported(effects, id, one);
    await effects.action.clear({ except: Object.keys(this.all) });
  }
}

async function exported(effects: Effects, id: string, one: Action<string, any>): Promise<void> {
  const child = effects.child(`action_${id}`);
  child.constRetry = () => {
    if (effects.isInContext) exported(effects, id, one).catch((err: unknown) => console.error(`the action ${id} could not be described anew:`, err));
  };
  await one.exportMetadata({ effects: child });
}

type InputOf<A> = A extends ActionInfo<string, infer Input> ? Input : never;
export interface TaskInput<A extends ActionInfo<string, any>> {
  kind: "partial";
  accept: W.DeepPartial<InputOf<A>>[];
  set: W.DeepPartial<InputOf<A>>;
}
/** Why a task is, what it is replaced by, when it comes back, and what its form is filled in with. */
export type TaskOptions<A extends ActionInfo<string, any>> = { reason?: string; replayId?: string } & (
  | { when?: Exclude<W.TaskTrigger, { condition: "input-not-matches" }>; input?: TaskInput<A> }
  | { when: W.TaskTrigger & { condition: "input-not-matches" }; input: TaskInput<A> }
);

/**
 * Asks people to run an action, of this package or of another. A task of the same replayId is replaced.
 * @example
 * const choose = action({ id: "choose", name: "Choose", description: "Chooses", run: async () => null });
 * await createTask({ effects, packageId: "my-page", action: choose, severity: "critical", options: { reason: "Choose first" } });
 * assert.equal(testHost.tasks.get("my-page:choose")?.severity, "critical");
 */
export function createTask<A extends ActionInfo<string, any>>(options: { effects: Effects; packageId: string; action: A; severity: W.TaskSeverity; options?: TaskOptions<A> }): Promise<null> {
  const { effects, packageId, action: { id }, severity } = options;
  const { replayId, reason, when, input } = (options.options ?? {}) as { replayId?: string; reason?: string; when?: W.TaskTrigger; input?: W.TaskInput };
  return effects.action.createTask({
    packageId,
    actionId: id,
    severity,
    replayId: replayId ?? `${packageId}:${id}`,
    ...(reason === undefined ? {} : { reason }),
    ...(when === undefined ? {} : { when }),
    ...(input === undefined ? {} : { input }),
  });
}

/**
 * What the form of an action holds now: of the settings of a package, what people chose; null where there is nothing yet. Of
 * another package that is told which its author published, by `access` of the action: "dependent" for packages that need it,
 * "public" for all. Its types are written by `hearth s9pk types`. It is asked once, and answered by the code of that package:
 * who has to hear of changes makes a task.
 * @example
 * const settings = published<ActionInfo<"settings", { metrics: boolean }>>("settings");
 * const chosen = await inputOf({ effects, packageId: "database", action: settings });
 * if (chosen?.metrics === false) console.log("The database does not show its statistics");
 */
export async function inputOf<A extends ActionInfo<string, any>>({ effects, action, packageId }: { effects: Effects; action: A; packageId?: string }): Promise<W.DeepPartial<InputOf<A>> | null> {
  const form = await effects.action.getInput({ actionId: action.id, ...(packageId === undefined ? {} : { packageId }) });
  return (form?.value ?? null) as W.DeepPartial<InputOf<A>> | null;
}

/**
 * Runs an action. An input made by a function gets the form of the action and its present value.
 * @example
 * const result = await runAction({ effects, actionId: "show" });
 */
export async function runAction<Input extends Record<string, unknown>>(options: {
  effects: Effects;
  packageId?: string;
  actionId: string;
  input?: Input | ((before?: { spec: FormSpec; value: Input | null }) => Input);
}): Promise<W.ActionResult | null> {
  const { effects, actionId, packageId, input } = options;
  const target = { actionId, ...(packageId === undefined ? {} : { packageId }) };
  if (typeof input !== "function") return effects.action.run({ ...target, ...(input === undefined ? {} : { input }) });
  const before = await effects.action.getInput(target);
  const made = input(before ? { spec: before.spec as FormSpec, value: before.value as Input | null } : undefined);
  return effects.action.run({ ...target, input: made });
}
