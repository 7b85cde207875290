// Makes the model of a package from a compose file. What is not taken over is told, never left out in silence.
import { readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseAllDocuments } from "yaml";
import { Assets } from "./compose-assets.mjs";
import { Environment } from "./compose-environment.mjs";
import { flat, mountOf, portsOf, seconds, short, signalOf, stopSignals, variablesOf, WrongFile } from "./compose-values.mjs";
import { asId } from "./questions.mjs";
import { label, words } from "./text.mjs";

const limits = { bytes: 256 << 10, services: 32, items: 256, aliases: 64 };

// What is so here anyway, or means nothing to a package.
const settled = new Set(["restart", "container_name", "hostname", "networks", "labels", "annotations", "logging", "stdin_open", "tty", "pull_policy", "platform", "init", "links", "scale", "attach", "expose", "domainname"]);
const taken = new Set(["image", "build", "command", "entrypoint", "environment", "env_file", "ports", "volumes", "healthcheck", "depends_on", "user", "working_dir", "stop_grace_period", "stop_signal", "profiles", "secrets", "configs", "tmpfs"]);
const refused = new Set(["extends", "provider"]);
// Ports at which no browser is answered.
const noPage = new Set([21, 22, 25, 53, 110, 143, 389, 465, 587, 636, 993, 995, 1433, 1521, 1883, 2049, 3306, 5222, 5269, 5432, 5672, 6379, 6667, 8883, 9092, 11211, 27017]);

/**
 * @param {string} path of the compose file
 * @param {{ id: string, title: string, about: string }} about
 * @returns {{ model: import("./project.mjs").Model, notes: string[] }}
 */
export function importCompose(path, about) {
  const folder = dirname(resolve(path));
  return new Import(read(path), folder, about).run();
}

/** The name that a compose file has for its project, if it has one. @param {string} path */
export function composeName(path) {
  const { name } = read(path);
  return typeof name === "string" ? asId(name) : "";
}

/** @param {string} path @returns {Record<string, any>} */
function read(path) {
  const text = bounded(path);
  try {
    const all = parseAllDocuments(text, { merge: true, logLevel: "silent" });
    if (!Array.isArray(all) || all.length !== 1) throw new WrongFile("it holds more than one document, or none");
    const [error] = all[0].errors;
    if (error) throw new WrongFile(error.message.split("\n")[0] ?? "it is no YAML");
    return record(all[0].toJS({ maxAliasCount: limits.aliases }), "the file");
  } catch (err) {
    if (err instanceof WrongFile) throw err;
    throw new WrongFile(`it cannot be read as YAML: ${/** @type {Error} */ (err).message.slice(0, 200)}`);
  }
}

function bounded(/** @type {string} */ path) {
  const info = statSync(path, { throwIfNoEntry: false });
  if (!info?.isFile()) throw new WrongFile(`there is no file ${path}`);
  if (info.size > limits.bytes) throw new WrongFile(`${path} is larger than ${limits.bytes >> 10} KiB`);
  return readFileSync(path, "utf8");
}

/** @returns {Record<string, any>} */
function record(/** @type {unknown} */ value, /** @type {string} */ what) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new WrongFile(`${what} is no map`);
  if (Object.keys(value).length > limits.items) throw new WrongFile(`${what} has more than ${limits.items} members`);
  return /** @type {Record<string, any>} */ (value);
}

/** @returns {any[]} */
function list(/** @type {unknown} */ value, /** @type {string} */ what) {
  if (value === undefined || value === null) return [];
  const all = Array.isArray(value) ? value : [value];
  if (all.length > limits.items) throw new WrongFile(`${what} has more than ${limits.items} members`);
  return all;
}

class Import {
  notes = /** @type {string[]} */ ([]);
  /** @type {Map<string, Record<string, any>>} */
  services = new Map();
  volumes = ["main"];
  /** The names that volumes have in the file, by those that they have here. @type {Map<string, string>} */
  volumeNames = new Map();
  /** @type {import("./project.mjs").Model["images"]} */
  images = {};
  /** @type {Map<string, string>} */
  imageIds = new Map();
  /** @type {import("./project.mjs").Model["interfaces"]} */
  interfaces = {};
  /** @type {import("./project.mjs").Model["written"]} */
  written = [];

  constructor(/** @type {Record<string, any>} */ file, /** @type {string} */ folder, /** @type {{ id: string, title: string, about: string }} */ about) {
    this.file = file;
    this.folder = folder;
    this.about = about;
    this.assets = new Assets(folder, (note) => this.note(note));
    const beside = join(folder, ".env");
    const known = statSync(beside, { throwIfNoEntry: false }) ? variablesOf(bounded(beside)) : new Map();
    this.known = (/** @type {string} */ name) => known.get(name);
    this.environment = new Environment(this.known, (note) => this.note(note));
  }

  note(/** @type {string} */ text) {
    if (!this.notes.includes(text)) this.notes.push(text);
  }

  run() {
    for (const key of Object.keys(this.file)) {
      if (key === "include") throw new WrongFile("it includes other files: bring them together first, with 'docker compose config'");
      if (!["services", "volumes", "networks", "name", "version", "secrets", "configs"].includes(key) && !key.startsWith("x-")) this.note(`${key} is not taken over`);
    }
    this.pick(record(this.file["services"], "services"));
    const ended = this.ended();
    const all = [...this.services].map(([name, service]) => ({ name, service, env: this.variables(name, service) }));
    this.environment.wire([...this.services.keys()], [...this.services.values()].flatMap((service) => list(service["volumes"], "volumes").map((said) => mountOf(this.flatten(said)).target)));
    this.environment.collect(all.flatMap(({ env }) => env));
    for (const said of all.flatMap(({ service }) => [service["image"], ...list(service["volumes"], "volumes"), ...list(service["ports"], "ports")])) {
      for (const text of typeof said === "object" && said !== null ? Object.values(said) : [said]) if (typeof text === "string") this.environment.leave(text);
    }
    // Passwords are known now, wherever they stand.
    const parts = Object.fromEntries(all.map(({ name, service, env }) => [this.part(name), this.partOf(name, service, env, ended)]));
    this.hosts(parts);
    const { settings, secrets } = this.environment;
    return { model: { ...this.about, images: this.images, volumes: this.volumes, settings, secrets, interfaces: this.interfaces, written: this.written, parts, files: this.assets.files }, notes: this.notes };
  }

  /** Picks the services that run without being asked for. @param {Record<string, any>} all */
  pick(all) {
    const names = Object.keys(all);
    if (names.length === 0 || names.length > limits.services) throw new WrongFile(`it has ${names.length} services; 1 to ${limits.services} are taken over`);
    for (const name of names) {
      if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) throw new WrongFile(`${short(name)} is no name of a service`);
      const service = record(all[name], `the service ${name}`);
      if (list(service["profiles"], "profiles").length > 0) {
        this.note(`${name} is left out, as it has profiles`);
        continue;
      }
      for (const key of Object.keys(service)) {
        if (refused.has(key)) throw new WrongFile(`${name} has ${key}: bring the files together first, with 'docker compose config'`);
        if (!taken.has(key) && !settled.has(key) && !key.startsWith("x-")) this.note(`${name}: ${key} is not taken over`);
      }
      this.services.set(name, service);
    }
    const ids = [...this.services.keys()].map((name) => this.part(name));
    if (ids.length === 0) throw new WrongFile("all of its services have profiles");
    if (new Set(ids).size < ids.length) throw new WrongFile("two of its services have names that are the same here");
  }

  part(/** @type {string} */ name) {
    return asId(name) || "part";
  }

  /** What a service waits for. @returns {[string, string][]} names, and how they must be */
  needs(/** @type {Record<string, any>} */ service) {
    const said = service["depends_on"];
    const all = Array.isArray(said) || said === undefined || said === null ? list(said, "depends_on").map((name) => [String(name), ""]) : Object.entries(record(said, "depends_on")).map(([name, how]) => [name, String(how?.condition ?? "")]);
    const linked = list(service["links"], "links").map((link) => [String(link).split(":")[0] ?? "", ""]);
    return /** @type {[string, string][]} */ ([...all, ...linked]).filter(([name]) => {
      if (this.services.has(name)) return true;
      if (!Object.hasOwn(this.file["services"], name)) throw new WrongFile(`there is no service ${short(name)}, which another waits for`);
      return false;
    });
  }

  /** The services that others want to have ended. */
  ended() {
    const ended = new Set([...this.services.values()].flatMap((service) => this.needs(service).filter(([, how]) => how === "service_completed_successfully").map(([name]) => name)));
    const done = new Set();
    const visit = (/** @type {string} */ name, /** @type {string[]} */ above) => {
      if (above.includes(name)) throw new WrongFile(`${[...above, name].join(", ")} wait for each other`);
      if (done.has(name)) return;
      for (const [next] of this.needs(this.services.get(name) ?? {})) visit(next, [...above, name]);
      done.add(name);
    };
    for (const name of this.services.keys()) visit(name, []);
    return ended;
  }

  /** The environment of a service as it is said, with what its files say. @returns {[string, string | null][]} */
  variables(/** @type {string} */ name, /** @type {Record<string, any>} */ service) {
    /** @type {Map<string, string | null>} */
    const all = new Map();
    for (const said of list(service["env_file"], "env_file")) {
      const { path, required = true } = typeof said === "object" && said !== null ? said : { path: said };
      const file = this.assets.inside(flat(String(path), this.known));
      if (file === null && required) throw new WrongFile(`${name}: there is no file ${short(path)} beside it`);
      if (file !== null) for (const [key, value] of variablesOf(bounded(file))) all.set(key, value.replace(/\$/g, "$$$$"));
    }
    const said = service["environment"];
    const pairs = Array.isArray(said) ? list(said, "environment").map((one) => cutAt(String(one), "=")) : said === undefined || said === null ? [] : Object.entries(record(said, "environment")).map(([key, value]) => /** @type {[string, string | null]} */ ([key, value === null ? null : scalar(value, key)]));
    for (const [key, value] of pairs) all.set(key, value);
    for (const key of all.keys()) if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) throw new WrongFile(`${name}: ${short(key)} is no name of a variable`);
    return [...all];
  }

  /** Fills in the variables of what cannot depend on settings. @returns {any} */
  flatten(/** @type {unknown} */ said) {
    if (typeof said === "string") return flat(said, this.known);
    if (typeof said !== "object" || said === null) return said;
    return Object.fromEntries(Object.entries(said).map(([key, value]) => [key, typeof value === "string" ? flat(value, this.known) : value]));
  }

  /** @param {string} name @param {Record<string, any>} service @param {[string, string | null][]} env @param {Set<string>} ended @returns {import("./project.mjs").Part} */
  partOf(name, service, env, ended) {
    const text = (/** @type {string} */ said) => this.environment.text(said);
    const command = commandOf(service["command"], `${name}: command`);
    const entrypoint = commandOf(service["entrypoint"], `${name}: entrypoint`);
    const ports = list(service["ports"], "ports").flatMap((said) => portsOf(this.flatten(said)));
    const once = ended.has(name);
    if (!once) this.bind(name, ports);
    const all = entrypoint ? [...entrypoint, ...(command ?? [])] : command;
    const signal = service["stop_signal"] === undefined ? undefined : signalOf(String(this.flatten(String(service["stop_signal"]))));
    if (signal === null) this.note(`${name}: stop_signal is not taken over: a part ends by ${stopSignals.join(", ")}`);
    const after = [...new Set(this.needs(service).map(([need]) => this.part(need)))];
    return {
      image: this.image(name, service),
      ...(all && all.length > 0 ? { command: all.map(text), entrypoint: !entrypoint } : {}),
      ...(service["user"] === undefined ? {} : { user: String(this.flatten(String(service["user"]))) }),
      ...(service["working_dir"] === undefined ? {} : { cwd: String(this.flatten(service["working_dir"])) }),
      mounts: this.mounts(name, service),
      env: this.environment.of(name, env),
      after,
      ...(signal ? { signal } : {}),
      ...(service["stop_grace_period"] === undefined ? {} : { patience: seconds(service["stop_grace_period"]) }),
      ...(once ? { once } : { ready: this.ready(name, service, ports, text) }),
    };
  }

  image(/** @type {string} */ name, /** @type {Record<string, any>} */ service) {
    if (service["build"] !== undefined && service["build"] !== null) {
      const build = typeof service["build"] === "string" ? { context: service["build"] } : record(service["build"], `${name}: build`);
      const workdir = String(this.flatten(build["context"] ?? "."));
      this.note(`${name} is built in ${workdir}: that folder is not copied, put it into the project`);
      for (const key of Object.keys(build)) if (!["context", "dockerfile"].includes(key)) this.note(`${name}: build.${key} is not taken over`);
      const dockerfile = build["dockerfile"] === undefined ? "" : `, dockerfile: ${JSON.stringify(String(build["dockerfile"]))}`;
      this.images[this.part(name)] = `{ build: { workdir: ${JSON.stringify(workdir)}${dockerfile} }, arch: ["x86_64", "aarch64"] }`;
      return this.part(name);
    }
    if (typeof service["image"] !== "string") throw new WrongFile(`${name} has neither an image nor a folder to build it in`);
    const tag = String(this.flatten(service["image"]));
    const id = this.imageIds.get(tag) ?? this.part(name);
    this.imageIds.set(tag, id);
    this.images[id] = `{ tag: ${JSON.stringify(tag)}, arch: ["x86_64", "aarch64"] }`;
    return id;
  }

  /** Makes interfaces of the ports that are published. */
  bind(/** @type {string} */ name, /** @type {import("./compose-values.mjs").Port[]} */ ports) {
    const seen = new Set();
    for (const { port, external, protocol, app, here } of ports) {
      if (seen.has(`${port}/${protocol}`)) continue; // it is published at several ports; here it has an address of its own
      seen.add(`${port}/${protocol}`);
      if (protocol !== "tcp") this.note(`${name}: the port ${port}/${protocol} is not taken over: only tcp has interfaces`);
      else if (here) this.note(`${name}: the port ${port} is for the machine alone, and stays within the package`);
      else {
        const page = app === null ? !noPage.has(port) : app.startsWith("http");
        const first = page && !Object.hasOwn(this.interfaces, "ui");
        const plain = this.part(name);
        const id = first ? "ui" : Object.hasOwn(this.interfaces, plain) ? `${plain}-${port}` : plain;
        const spoken = page ? (port === 443 || app === "https" ? [["protocol", '"https"']] : []) : [["protocol", '"tcp"'], ["type", '"api"'], ...(external === null ? [] : [["external", String(external)]])];
        const called = label(name);
        this.interfaces[id] = /** @type {[string, string][]} */ ([["port", String(port)], ...spoken, ["name", JSON.stringify(first ? this.about.title : called)], ["description", JSON.stringify(page ? `The page of ${first ? this.about.title : called}` : `${called}, for programs`)]]);
      }
    }
    const all = Object.values(this.interfaces).map(([[, port] = ["", ""]]) => port);
    for (const port of all) if (all.filter((one) => one === port).length > 1) this.note(`the port ${port} is that of two services: all programs of a package are on one machine, so one of them needs another`);
  }

  /** @returns {[string, string][]} */
  mounts(/** @type {string} */ name, /** @type {Record<string, any>} */ service) {
    const text = JSON.stringify;
    /** @type {Map<string, string>} */
    const all = new Map();
    const own = (/** @type {string} */ target, /** @type {boolean} */ readonly, /** @type {string} */ folder) => all.set(target, readonly ? `{ volume: "main", folder: ${text(`data/${folder}`)}, readonly: true }` : text(`main/data/${folder}`));
    const unkept = (/** @type {string} */ target) => this.note(`${name}: ${target} is not in memory, as the file wants it by tmpfs: it is a folder of the container`);
    for (const said of list(service["tmpfs"], "tmpfs")) unkept(String(this.flatten(scalar(said, "tmpfs"))).split(":")[0] ?? "");
    for (const said of list(service["volumes"], "volumes")) {
      const { kind, source, target, readonly, folder } = mountOf(this.flatten(said));
      if (kind === "tmpfs") {
        unkept(target);
        continue;
      }
      if (kind === "anonymous") own(target, false, `${this.part(name)}${target.replace(/[^A-Za-z0-9/_-]+/g, "-")}`);
      else if (kind === "volume") {
        const id = this.volume(source);
        all.set(target, readonly ? `{ volume: ${text(id)}, ${folder ? `folder: ${text(folder)}, ` : ""}readonly: true }` : text(folder ? `${id}/${folder}` : id));
      } else {
        const asset = this.assets.bind(name, source, readonly);
        if (asset === "outside") continue;
        if (asset === "data") own(target, readonly, asId(source) || this.part(name));
        else all.set(target, `{ assets: ${text(asset.path)} }`);
      }
    }
    this.handed(name, service, "configs", all);
    this.handed(name, service, "secrets", all);
    return [...all];
  }

  volume(/** @type {string} */ source) {
    const plain = asId(source);
    // The volume main is the package's own.
    const id = plain === "main" ? "main-data" : plain;
    if (id === "" || (this.volumeNames.get(id) ?? source) !== source) throw new WrongFile(`${short(source)} is no name of a volume, or one that is the same as another here`);
    this.volumeNames.set(id, source);
    if (!Object.hasOwn(this.file["volumes"] ?? {}, source)) throw new WrongFile(`the volume ${short(source)} is not listed in volumes`);
    if (this.file["volumes"][source]?.external) this.note(`the volume ${source} is one that was there before: it begins empty here`);
    if (this.file["volumes"][source]?.driver_opts) this.note(`the volume ${source}: driver_opts is not taken over: it is an ordinary volume`);
    if (!this.volumes.includes(id)) this.volumes.push(id);
    this.note("volumes begin empty; what an image has at such a place is not copied into them, as Docker would");
    return id;
  }

  /** Mounts configs, and secrets that are made up. @param {string} name @param {Record<string, any>} service @param {"configs" | "secrets"} what @param {Map<string, string>} all */
  handed(name, service, what, all) {
    for (const said of list(service[what], what)) {
      const { source, target } = typeof said === "object" && said !== null ? said : { source: said, target: undefined };
      const id = String(source);
      const defined = record(this.file[what] ?? {}, what);
      if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(id) || !Object.hasOwn(defined, id)) throw new WrongFile(`${name}: there is no ${short(id)} in ${what}`);
      const at = target === undefined ? (what === "secrets" ? `/run/secrets/${id}` : `/${id}`) : String(target).startsWith("/") ? String(target) : `/run/secrets/${target}`;
      if (what === "secrets") {
        const path = `made/${id}`;
        if (!this.written.some((file) => file.path === path)) this.written.push({ path, text: [this.environment.secret(id)] });
        all.set(at, `{ volume: "main", file: ${JSON.stringify(path)}, readonly: true }`);
      } else if (typeof defined[id]?.file === "string") {
        const asset = this.assets.bind(name, String(this.flatten(defined[id].file)), true);
        if (typeof asset === "object") all.set(at, `{ assets: ${JSON.stringify(asset.path)} }`);
        else this.note(`${name}: the config ${id} has no file beside it`);
      } else this.note(`${name}: the config ${id} is not taken over, as it is no file`);
    }
  }

  /** @param {string} name @param {Record<string, any>} service @param {import("./compose-values.mjs").Port[]} ports @param {(said: string) => import("./text.mjs").Text} text */
  ready(name, service, ports, text) {
    const check = service["healthcheck"] === undefined || service["healthcheck"] === null ? {} : record(service["healthcheck"], `${name}: healthcheck`);
    const grace = check["start_period"] === undefined ? {} : { grace: seconds(check["start_period"]) };
    const shown = { name: label(name), ...grace };
    const test = typeof check["test"] === "string" ? ["CMD-SHELL", check["test"]] : list(check["test"], "healthcheck.test").map(String);
    if (!check["disable"] && test.length > 1 && test[0] !== "NONE") return { ...shown, command: (test[0] === "CMD-SHELL" ? ["sh", "-c", ...test.slice(1)] : test.slice(1)).map(text) };
    const exposed = list(service["expose"], "expose").flatMap((said) => portsOf(this.flatten(said)));
    const port = [...ports, ...exposed].find(({ protocol }) => protocol === "tcp")?.port;
    if (port !== undefined) return { ...shown, port };
    this.note(`${name} says nothing of its health: it counts as well as long as it runs`);
    return shown;
  }

  /** Gives services the names by which they find each other. @param {Record<string, import("./project.mjs").Part>} parts */
  hosts(parts) {
    if (this.services.size < 2) return;
    const names = [...this.services].flatMap(([name, service]) => {
      const nets = service["networks"];
      const aliases = typeof nets === "object" && nets !== null && !Array.isArray(nets) ? Object.values(nets).flatMap((net) => list(net?.aliases, "aliases")) : [];
      const linked = list(service["links"], "links").map((link) => String(link).split(":")[1] ?? "");
      return [name, service["hostname"], service["container_name"], ...aliases, ...linked];
    });
    const plain = [...new Set(names.map((name) => String(name ?? "")))].filter((name) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name));
    this.written.unshift({ path: "made/hosts", text: [`127.0.0.1 localhost ${plain.join(" ")}\n`] });
    for (const part of Object.values(parts)) if (!part.mounts.some(([at]) => at === "/etc/hosts")) part.mounts.push(["/etc/hosts", '{ volume: "main", file: "made/hosts", readonly: true }']);
  }
}

/** @returns {[string, string | null]} */
function cutAt(/** @type {string} */ text, /** @type {string} */ mark) {
  const at = text.indexOf(mark);
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
}

function scalar(/** @type {unknown} */ value, /** @type {string} */ what) {
  if (typeof value === "object") throw new WrongFile(`${short(what)} has a value that is no text`);
  return String(value);
}

/** @returns {string[] | null} */
function commandOf(/** @type {unknown} */ said, /** @type {string} */ what) {
  if (said === undefined || said === null) return null;
  return typeof said === "string" ? words(said) : list(said, what).map((word) => scalar(word, what));
}
