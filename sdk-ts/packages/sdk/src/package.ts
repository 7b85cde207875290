import { Actions, actionWithInput, createTask, describe, type Action, type ActionText } from "./actions.js";
import { setupBackups, type Backups } from "./backups.js";
import { jsonCodec } from "./codecs/json.js";
import { declaredOf, type Declarations } from "./declared.js";
import { DaemonsReconciler } from "./daemons/reconciler.js";
import { setDependencies, type Requirement } from "./dependencies.js";
import type { AboutText, ImageText, InterfaceText, MigrationFiles, NeedText, PartText, SecretTexts, TaskText, VersionText } from "./describe.js";
import type { Buildable, Effects } from "./effects.js";
import { FileModel } from "./files.js";
import type { AnyForm } from "./form/field.js";
import { initialValue } from "./form/initial.js";
import { setupInit, setupOnInit, setupUninit, type Init, type InitKind, type Uninit } from "./init.js";
import { MultiHost, ServiceInterfaceBuilder, setupInterfaces, type InterfacesReceipt } from "./interfaces.js";
import { buildManifest, type ImageOptions, type ManifestOptions } from "./manifest.js";
import { daemonsOf } from "./parts.js";
import { quietly, type CreateBackup, type QuietText } from "./quiet.js";
import { publishing, type MetricTexts } from "./metrics.js";
import { planOf, type Plan } from "./plan.js";
import type { FullProgressTracker } from "./progress.js";
import { secrets as makeSecrets, type SecretsOf } from "./secret.js";
import { InvalidError, schema } from "./schema.js";
import { deepMerge } from "./values.js";
import { IMPOSSIBLE, VersionGraph, VersionInfo } from "./versions/graph.js";
import { createVolumes, type Volume, type Volumes } from "./volumes.js";
import type * as W from "./wire.js";

/**
 * What the functions of a description get. In `run`, all of it is watched: when something changes, the parts follow.
 * @example
 * const greet = ({ settings, volumes }: Context<{ name: string }, never, "main">) => volumes.main.writeFile("hello", settings.name);
 */
export interface Context<Settings, Secret extends string, Vol extends string> {
  effects: Effects;
  settings: Settings;
  secrets: SecretsOf<Secret>;
  volumes: Volumes<Vol>;
}
type Files<Settings> = { settings: FileModel<Settings & Record<string, any>> };
type Kept<Secret extends string> = ReturnType<typeof makeSecrets<Secret>>;

/** The description of a package, read from top to bottom. */
export interface Description<
  Image extends string,
  Vol extends string,
  Settings extends Record<string, any>,
  Secret extends string,
  Part extends string,
  Acts extends readonly Action<string, any>[],
> extends Declarations {
  about: AboutText;
  /** The newest last. */
  versions: VersionText[];
  images: Record<Image, ImageText>;
  /** The first one holds settings and secrets. */
  volumes: readonly Vol[];
  /** What people choose: kept in settings.json, changed by an action of its own. */
  settings?: { form: AnyForm & { readonly _TYPE: Settings }; action?: Partial<ActionText>; task?: { severity: W.TaskSeverity; reason: string } };
  /** Texts that are made up once and shown nowhere. */
  secrets?: SecretTexts<Secret>;
  interfaces?: Record<string, InterfaceText>;
  needs?: Record<string, NeedText>;
  /** What the service publishes about itself while it runs, by ids: people see it with what the service uses. On StartOS nothing is read. */
  metrics?: MetricTexts<Context<Settings, Secret, Vol>>;
  actions?: (files: Files<Settings> & { volumes: Volumes<Vol>; secrets: Kept<Secret> }) => Acts;
  /** The parts of the service while it runs. */
  run: (context: Context<Settings, Secret, Vol>) => Record<Part, PartText<NoInfer<Image>, NoInfer<Vol>, NoInfer<Part>>> | Promise<Record<Part, PartText<NoInfer<Image>, NoInfer<Vol>, NoInfer<Part>>>>;
  /** Runs at the end of each init. */
  prepare?: (context: Context<Settings, Secret, Vol> & { kind: InitKind; progress: FullProgressTracker }) => Promise<void>;
  /** Tasks for people who have just installed the package. */
  tasks?: (actions: { settings: Action<"settings", Settings> } & { [A in Acts[number] as A["id"]]: A }) => TaskText<any>[];
  /** What is backed up; all volumes, if not said. */
  backup?: NoInfer<Vol>[] | ((options: { effects: Effects; secrets: Kept<Secret> }) => Promise<Backups<any>>);
  /** Makes the data quiet while they are backed up, so that the service runs on. Without it the service stops for its backup, as it does on StartOS. */
  quiet?: QuietText<Context<Settings, Secret, Vol>>;
}

/** The six calls that a package is, and its files. */
export interface Defined<Settings extends Record<string, any>, Vol extends string, Acts extends readonly Action<string, any>[]> {
  manifest: W.Manifest;
  init: Init;
  uninit: Uninit;
  main: ((options: { effects: Effects }) => Promise<Buildable>) & { plan: Plan };
  createBackup: CreateBackup;
  actions: Actions<{ settings: Action<"settings", Settings> } & { [A in Acts[number] as A["id"]]: A }>;
  settings: FileModel<Settings>;
  volumes: Volumes<Vol>;
}

/**
 * Makes a package of its description.
 * @example
 * const { manifest, init, uninit, main, createBackup, actions } = definePackage({
 *   about: { id: "my-page", title: "My page", license: "MIT", short: "A page", long: "Serves one page.", packageRepo: "https://example.org", upstreamRepo: "https://example.org", website: "https://example.org" },
 *   versions: [{ version: "1.0.0:0", notes: "The first release." }],
 *   images: { web: "nginx:1.29" },
 *   volumes: ["main"],
 *   interfaces: { ui: { port: 80, name: "Page", description: "The page" } },
 *   run: () => ({ web: { image: "web", mounts: { "/usr/share/nginx/html": "main/www" }, ready: { port: 80, name: "Page" } } }),
 * });
 * assert.equal(manifest.id, "my-page");
 */
export function definePackage<
  const Image extends string,
  const Vol extends string,
  const Part extends string,
  Settings extends Record<string, any> = {},
  const Secret extends string = never,
  const Acts extends readonly Action<string, any>[] = [],
>(description: Description<Image, Vol, Settings, Secret, Part, Acts>): Defined<Settings, Vol, Acts> {
  const { about, settings: wanted, interfaces = {}, needs = {} } = description;
  const volumes = createVolumes(description.volumes);
  const home = volumes[description.volumes[0]!] as Volume;
  if (!home) throw new Error("a package has at least one volume");
  const settings = new FileModel<any>({ base: home, subpath: "settings.json" }, jsonCodec, schema((value) => (wanted ? wanted.form.read(value) : value)));
  const secrets = makeSecrets<Secret>(home, (description.secrets ?? {}) as SecretTexts<Secret>);
  const graph = versionGraph(description.versions, (effects) => ({ effects, settings, volumes }));
  const { backup = [...description.volumes] } = description;
  const { createBackup, restoreInit } = setupBackups<any>(typeof backup === "function" ? ({ effects }) => backup({ effects, secrets }) : backup);
  const own = description.actions?.({ settings, volumes, secrets }) ?? [];
  const actions = [...(wanted ? [settingsAction(wanted, settings)] : []), ...own].reduce((all, one) => all.addAction(one), Actions.of() as Actions<any>);
  const context = async (effects: Effects, watched: boolean): Promise<Context<Settings, Secret, Vol>> => ({
    effects,
    settings: (wanted ? await chosen(effects, wanted.form, settings, watched) : {}) as Settings,
    secrets: await (watched ? secrets.const(effects) : secrets.once()),
    volumes,
  });

  const prepare = setupOnInit(async (effects, kind, progress) => {
    const lacks = wanted !== undefined && !isWhole(wanted.form, await toldSettings(effects, wanted.form, settings));
    for (const one of tasksOf(description, actions, kind, lacks)) await createTask({ effects, packageId: one.of ?? about.id, ...one });
    await description.prepare?.({ ...(await context(effects, false)), kind, progress });
  });
  const keep = setupOnInit(async (effects) => {
    if (description.secrets) await secrets.make(effects);
    if (wanted) await keepSettings(effects, wanted.form, settings);
  });
  const parts = (effects: Effects, known?: readonly Vol[], watched = true) => new DaemonsReconciler(effects, async ({ effects: inner }) => daemonsOf(inner, await description.run(await context(inner, watched)), known));
  const { metrics } = description;
  const main = async ({ effects }: { effects: Effects }) => (metrics ? publishing(parts(effects, description.volumes), effects, metrics, () => context(effects, false)) : parts(effects, description.volumes));
  const plan = planOf(description.versions, async (effects) => parts(effects, undefined, false).entries(), async (effects) => (typeof backup === "function" ? backup({ effects, secrets }) : backup));
  return {
    manifest: buildManifest(graph, manifestOf(description)),
    init: setupInit(restoreInit, graph, keep, setupInterfaces(({ effects }) => bindAll(effects, interfaces)), (effects) => setDependencies(effects, requirements(needs)), actions, prepare),
    uninit: setupUninit(graph),
    main: Object.assign(main, { plan }),
    createBackup: description.quiet ? quietly(createBackup, description.quiet, (effects) => context(effects, false), async (effects) => (typeof backup === "function" ? backup({ effects, secrets }) : null)) : createBackup,
    actions,
    settings,
    volumes,
  };
}

/**
 * The tasks of an init. All are for people who have just installed the package. Afterwards come those that have a condition, which
 * may hold again, and the settings where they lack something: without it the service does not run.
 */
function tasksOf({ settings, tasks }: Description<any, any, any, any, any, any>, actions: Actions<any>, kind: InitKind, lacks: boolean): TaskText[] {
  const all = new Proxy({}, { get: (_, id) => actions.get(id as string) }) as any;
  const own = (severity: TaskText["severity"], reason: string): TaskText => ({ action: actions.get("settings"), severity, options: { reason } });
  const rest: TaskText[] = tasks?.(all) ?? [];
  if (kind === "install") return [...(settings?.task ? [own(settings.task.severity, settings.task.reason)] : []), ...rest];
  if (kind === null) return [];
  const again = rest.filter(({ options }) => options !== undefined && "when" in options);
  return [...(lacks ? [own("critical", settings?.task?.reason ?? "The settings lack something that this version needs")] : []), ...again];
}

function settingsAction(wanted: { form: AnyForm; action?: Partial<ActionText> }, file: FileModel<any>): Action<"settings", any> {
  const text = describe({ name: "Settings", description: "Change the settings of the service", ...wanted.action });
  return actionWithInput("settings", text, wanted.form, async ({ effects }) => toldSettings(effects, wanted.form, file), async ({ effects, input }) => void (await file.merge(effects, input)));
}

// What an update adds to the form gets its default; what people chose stays. Where they have to say something first, the
// file stays what it is until they have.
async function keepSettings(effects: Effects, form: AnyForm, file: FileModel<any>): Promise<void> {
  const told = await toldSettings(effects, form, file);
  if (isWhole(form, told)) await file.write(effects, told);
}

/** What the form begins with: what people chose, and the defaults of the rest. It may lack what they have to say. */
async function toldSettings(effects: Effects, form: AnyForm, file: FileModel<any>): Promise<Record<string, unknown>> {
  const { spec } = await form.build({ effects, prefill: null });
  const found = await readRaw(file);
  return found === null ? initialValue(spec) : (deepMerge(initialValue(spec), found) as Record<string, unknown>);
}

function isWhole(form: AnyForm, value: unknown): boolean {
  try {
    form.read(value);
    return true;
  } catch (err) {
    if (err instanceof InvalidError) return false;
    throw err;
  }
}

// The service does not run before people have said what it needs; what runs before that gets what there is.
async function chosen(effects: Effects, form: AnyForm, file: FileModel<any>, watched: boolean): Promise<unknown> {
  if (!watched) return toldSettings(effects, form, file);
  const found = await file.read().const(effects);
  if (found === null) throw new Error('the settings lack what people have to say: give "settings" a critical task');
  return found;
}
async function readRaw(file: FileModel<any>): Promise<Record<string, unknown> | null> {
  const { readFile } = await import("node:fs/promises");
  const text = await readFile(file.path, "utf8").catch(() => "");
  return text.trim() === "" ? null : (file.readData(text) as Record<string, unknown>);
}

function versionGraph(versions: VersionText[], files: (effects: Effects) => MigrationFiles): VersionGraph<any> {
  const infos = versions.map(({ version, notes, up, down }) =>
    VersionInfo.of<string>({ version, releaseNotes: notes, migrations: { ...(up ? { up: ({ effects }) => up(files(effects)) } : {}), down: down ? ({ effects }) => down(files(effects)) : IMPOSSIBLE } }),
  );
  const current = infos.at(-1);
  if (!current) throw new Error("a package has at least one version");
  return VersionGraph.of({ current, other: infos.slice(0, -1) });
}

async function bindAll(effects: Effects, interfaces: Record<string, InterfaceText>): Promise<InterfacesReceipt> {
  const told: InterfacesReceipt = [];
  for (const [id, one] of Object.entries(interfaces)) {
    const { port, name, description, external, addSsl, noAddSsl } = one;
    const { protocol = "http" } = one;
    const origin = await new MultiHost({ effects, id }).bindPort(
      port,
      protocol === "tcp"
        ? { protocol: null, preferredExternalPort: external ?? port, addSsl: null, secure: { ssl: false } }
        : { protocol, ...(external === undefined ? {} : { preferredExternalPort: external }), ...(addSsl ? { addSsl } : {}), ...(noAddSsl ? { noAddSsl } : {}) },
    );
    const built = { effects, id, name, description, type: one.type ?? "ui", masked: one.masked ?? false, schemeOverride: one.scheme ?? null, username: null, path: one.path ?? "", query: one.query ?? {} } as const;
    told.push(await origin.export([new ServiceInterfaceBuilder(built)]));
  }
  return told;
}

function requirements(needs: Record<string, NeedText>): Record<string, Requirement> {
  return Object.fromEntries(
    Object.entries(needs).map(([id, { versions, running = true }]) => [
      id,
      running === false ? { kind: "exists" as const, versionRange: versions } : { kind: "running" as const, versionRange: versions, healthChecks: running === true ? [] : running },
    ]),
  );
}

function manifestOf({ about, images, volumes, needs = {}, ...rest }: Description<any, any, any, any, any, any>): ManifestOptions {
  const declared = declaredOf(rest, rest.quiet !== undefined);
  const { id, title, license, short, long, packageRepo, upstreamRepo, website, donations, hardware } = about;
  return {
    id,
    title,
    license,
    packageRepo,
    upstreamRepo,
    marketingUrl: website,
    donationUrl: donations ?? null,
    description: { short, long },
    volumes: [...volumes],
    images: Object.fromEntries(Object.entries<ImageText>(images).map(([name, image]) => [name, imageOf(name, image)])),
    dependencies: Object.fromEntries(Object.entries(needs).map(([need, { why, optional, title }]) => [need, { description: why ?? null, optional: optional ?? false, metadata: { title, icon: "" } }])),
    hardwareRequirements: { device: hardware?.devices ?? [], ram: hardware?.ram ?? null },
    hardwareAcceleration: hardware?.acceleration ?? false,
    userspaceFilesystems: hardware?.fuse ?? false,
    virtualNetworking: hardware?.tun ?? false,
    ...(declared ? { hearth: declared } : {}),
  };
}

function imageOf(name: string, image: ImageText): ImageOptions {
  if (typeof image === "string") return { source: { dockerTag: image } };
  const { tag, build, arch, emulate, nvidia } = image;
  return {
    source: build ? { dockerBuild: build } : { dockerTag: tag ?? name },
    ...(arch ? { arch } : {}),
    ...(emulate === undefined ? {} : { emulateMissingAs: emulate }),
    ...(nvidia ? { nvidiaContainer: true } : {}),
  };
}
