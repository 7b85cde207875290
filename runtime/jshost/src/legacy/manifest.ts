import { isRecord } from "@hearthos/sdk/values";

/** How a command's input and output are written. */
export type Format = "json" | "json-pretty" | "yaml" | "cbor" | "toml" | "toml-pretty";

/** A command in an image. */
export interface DockerProcedure {
  type: "docker";
  image: string;
  /** The image is one that StartOS 0.3 had itself. */
  system: boolean;
  entrypoint: string;
  args: string[];
  /** It runs beside main, in the same root. */
  inject: boolean;
  /** Where which volumes are. */
  mounts: Record<string, string>;
  format: Format | null;
  /** How long it may take to end, in milliseconds. */
  sigtermTimeout: number;
}
/** A function of the script. */
export interface ScriptProcedure {
  type: "script";
  /** What it gets besides its input. */
  args: unknown[];
}
export type Procedure = DockerProcedure | ScriptProcedure;

export type Volume =
  | { type: "data"; readonly: boolean }
  | { type: "assets" }
  | { type: "pointer"; packageId: string; volumeId: string; path: string; readonly: boolean }
  | { type: "certificate"; interfaceId: string }
  | { type: "backup"; readonly: boolean };

export interface HealthCheck {
  name: string;
  successMessage: string | null;
  /** In milliseconds. */
  timeout: number;
  procedure: Procedure;
}
export interface Interface {
  name: string;
  description: string;
  /** Ports outside to ports of the service. */
  tor: Map<number, number>;
  lan: Map<number, { ssl: boolean; internal: number }>;
  ui: boolean;
}
export interface Dependency {
  version: string;
  required: boolean;
  check: Procedure | null;
  autoConfigure: Procedure | null;
}
export interface LegacyAction {
  name: string;
  description: string;
  warning: string | null;
  running: boolean;
  stopped: boolean;
  procedure: Procedure;
  /** The description of its form; null where it has none. */
  input: unknown;
}

/** What a package of StartOS 0.3 says of itself, as far as its code is run by that. */
export interface Manifest {
  id: string;
  /** The version in the form of today. */
  version: string;
  title: string;
  main: Procedure;
  /** Where commands of the script run: its own container, or that of main. */
  container: DockerProcedure | null;
  healthChecks: Map<string, HealthCheck>;
  config: { get: Procedure; set: Procedure } | null;
  properties: Procedure | null;
  volumes: Map<string, Volume>;
  interfaces: Map<string, Interface>;
  backup: { create: Procedure; restore: Procedure };
  migrations: { from: [range: string, procedure: Procedure][]; to: [range: string, procedure: Procedure][] };
  actions: Map<string, LegacyAction>;
  dependencies: Map<string, Dependency>;
}

/** The volume in which the host of such packages keeps what is its own. */
export const ownVolume = "embassy";
/** The volume that a backup is, for the procedures of backups. */
export const backupVolume = "BACKUP";

/** Reads a manifest, or throws and says what is wrong with it. */
export function readManifest(text: string): Manifest {
  const m = record("manifest", JSON.parse(text));
  const [id, title] = [string("id", m["id"]), string("title", m["title"])];
  const main = procedure("main", m["main"]);
  const backup = record("backup", m["backup"]);
  const migrations = record("migrations", m["migrations"] ?? {});
  const config = m["config"] == null ? null : record("config", m["config"]);
  return {
    id: idToday(id),
    version: versionToday(id, title, string("version", m["version"])),
    title,
    main,
    container: container(m["containers"]) ?? (main.type === "docker" ? main : null),
    healthChecks: all("health-checks", m["health-checks"], healthCheck),
    config: config && { get: procedure("config.get", config["get"]), set: procedure("config.set", config["set"]) },
    properties: m["properties"] == null ? null : procedure("properties", m["properties"]),
    volumes: all("volumes", m["volumes"], volume),
    interfaces: all("interfaces", m["interfaces"], readInterface),
    backup: { create: procedure("backup.create", backup["create"]), restore: procedure("backup.restore", backup["restore"]) },
    migrations: { from: [...all("migrations.from", migrations["from"], procedure)], to: [...all("migrations.to", migrations["to"], procedure)] },
    actions: all("actions", m["actions"], action),
    dependencies: renamed(all("dependencies", m["dependencies"], dependency)),
  };
}

/** The name under which a package goes on: some gave their old one to their successor. */
export function idToday(id: string): string {
  const moved: Record<string, string> = { nostr: "nostr-rs-relay", ghost: "ghost-legacy", synapse: "synapse-legacy", monerod: "monerod-legacy", fedimintd: "fedimint-guardian" };
  return Object.hasOwn(moved, id) ? moved[id]! : id;
}

// Some packages were forks, or came before a release, without saying so in their version.
function versionToday(id: string, title: string, version: string): string {
  const found = /^(\d+\.\d+\.\d+)(?:\.(\d+))?$/.exec(version);
  if (!found) throw new Error(`the version ${JSON.stringify(version)} of the manifest is none`);
  const flavor = id === "bitcoind" && title.toLowerCase().includes("knots") ? "#knots:" : "";
  const before = ["lnd", "ride-the-lightning", "datum"].includes(id) ? "-beta" : ["lightning-terminal", "robosats"].includes(id) ? "-alpha" : "";
  return `${flavor}${found[1]}${before}:${found[2] ?? "0"}`;
}

/** A version of today in the form that scripts read: four numbers. */
export function versionThen(version: string): string {
  const found = /^(?:#[a-z]+:)?(\d+(?:\.\d+)*)[^:]*:(\d+)/.exec(version);
  if (!found) throw new Error(`${JSON.stringify(version)} is no version that the package could know`);
  const upstream = found[1]!.split(".");
  while (upstream.length < 3) upstream.push("0");
  return [...upstream.slice(0, 3), found[2]].join(".");
}

function refuse(where: string, what: string): never {
  throw new Error(`"${where}" of the manifest ${what}`);
}
function record(where: string, value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : refuse(where, "is no object");
}
function string(where: string, value: unknown): string {
  return typeof value === "string" ? value : refuse(where, "is no text");
}
function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
function all<T>(where: string, value: unknown, read: (where: string, value: unknown) => T): Map<string, T> {
  return new Map(Object.entries(record(where, value ?? {})).map(([key, one]) => [key, read(`${where}.${key}`, one)]));
}
function renamed<T>(of: Map<string, T>): Map<string, T> {
  return new Map([...of].map(([id, value]) => [idToday(id), value]));
}

function procedure(where: string, value: unknown): Procedure {
  const p = record(where, value);
  switch (p["type"]) {
    case "docker":
      return docker(where, p);
    case "script":
      return { type: "script", args: Array.isArray(p["args"]) ? p["args"] : [] };
  }
  return refuse(where, "is neither a command nor a function");
}

const formats: readonly unknown[] = ["json", "json-pretty", "yaml", "cbor", "toml", "toml-pretty"];

function docker(where: string, p: Record<string, unknown>): DockerProcedure {
  return {
    type: "docker",
    image: string(`${where}.image`, p["image"]),
    system: p["system"] === true,
    entrypoint: text(p["entrypoint"]),
    args: strings(p["args"]),
    inject: p["inject"] === true,
    mounts: mounts(p["mounts"]),
    format: formats.includes(p["io-format"]) ? (p["io-format"] as Format) : null,
    sigtermTimeout: milliseconds(p["sigterm-timeout"], 30_000),
  };
}

function mounts(value: unknown): Record<string, string> {
  return isRecord(value) ? Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string")) : {};
}

// Scripts had a container of their own besides main, in which their commands ran.
function container(value: unknown): DockerProcedure | null {
  const main = isRecord(value) ? value["main"] : null;
  return isRecord(main) ? docker("containers.main", main) : null;
}

function milliseconds(value: unknown, otherwise: number): number {
  if (typeof value === "number" && value >= 0) return value * 1000;
  const found = typeof value === "string" ? /^(\d*\.?\d+)(ns|µs|us|ms|s|m|h|d)$/.exec(value) : null;
  if (!found) return otherwise;
  const units: Record<string, number> = { ns: 1e-6, µs: 1e-3, us: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  return Math.min(Number(found[1]) * units[found[2]!]!, 86_400_000);
}

function healthCheck(where: string, value: unknown): HealthCheck {
  const check = record(where, value);
  const success = check["success-message"];
  return {
    name: text(check["name"]) || where.slice(where.indexOf(".") + 1),
    successMessage: typeof success === "string" ? success : null,
    timeout: milliseconds(check["timeout"], 30_000),
    procedure: procedure(where, check),
  };
}

function volume(where: string, value: unknown): Volume {
  const v = record(where, value);
  switch (v["type"]) {
    case "data":
      return { type: "data", readonly: v["readonly"] === true };
    case "assets":
      return { type: "assets" };
    case "pointer":
      return { type: "pointer", packageId: idToday(string(`${where}.package-id`, v["package-id"])), volumeId: string(`${where}.volume-id`, v["volume-id"]), path: text(v["path"]), readonly: v["readonly"] !== false };
    case "certificate":
      return { type: "certificate", interfaceId: string(`${where}.interface-id`, v["interface-id"]) };
    case "backup":
      return { type: "backup", readonly: v["readonly"] === true };
  }
  return refuse(where, "is a volume of a kind that does not exist");
}

function readInterface(where: string, value: unknown): Interface {
  const i = record(where, value);
  const tor = isRecord(i["tor-config"]) ? i["tor-config"]["port-mapping"] : null;
  return {
    name: text(i["name"]) || where,
    description: text(i["description"]),
    tor: new Map(Object.entries(isRecord(tor) ? tor : {}).map(([outside, inside]) => [port(where, outside), port(where, inside)])),
    lan: new Map(Object.entries(isRecord(i["lan-config"]) ? i["lan-config"] : {}).map(([outside, to]) => [port(where, outside), { ssl: isRecord(to) && to["ssl"] === true, internal: port(where, isRecord(to) ? to["internal"] : to) }])),
    ui: i["ui"] === true,
  };
}
function port(where: string, value: unknown): number {
  const found = Number(value);
  return Number.isInteger(found) && found > 0 && found < 65536 ? found : refuse(where, `has a port ${JSON.stringify(value)}`);
}

function action(where: string, value: unknown): LegacyAction {
  const a = record(where, value);
  const allowed = strings(a["allowed-statuses"]);
  return {
    name: text(a["name"]) || where,
    description: text(a["description"]),
    warning: text(a["warning"]) || null,
    running: allowed.length === 0 || allowed.includes("running"),
    stopped: allowed.length === 0 || allowed.includes("stopped"),
    procedure: procedure(`${where}.implementation`, a["implementation"]),
    input: a["input-spec"] ?? null,
  };
}

function dependency(where: string, value: unknown): Dependency {
  const d = record(where, value);
  const config = isRecord(d["config"]) ? d["config"] : {};
  const may = (name: string) => (config[name] == null ? null : procedure(`${where}.config.${name}`, config[name]));
  return { version: text(d["version"]) || "*", required: isRecord(d["requirement"]) && d["requirement"]["type"] === "required", check: may("check"), autoConfigure: may("auto-configure") };
}
