// The small languages within a compose file: variables in texts, durations, ports, mounts, files of variables.

/** What a file says is wrong. */
export class WrongFile extends Error {}

/** @typedef {{ variable: string, otherwise: string | null, required?: boolean }} Hole a place for a variable in a text, and what stands there without one */

/**
 * Cuts a text at its variables: $NAME, ${NAME}, ${NAME:-otherwise}, ${NAME:?why}, ${NAME:+then}. $$ is a dollar.
 * @param {string} text
 * @param {(name: string) => string | undefined} known the values that are known already
 * @returns {(string | Hole)[]}
 */
export function holes(text, known) {
  /** @type {(string | Hole)[]} */
  const parts = [];
  for (let at = 0; at < text.length; ) {
    const next = text.indexOf("$", at);
    if (next < 0) {
      parts.push(text.slice(at));
      break;
    }
    parts.push(text.slice(at, next));
    const found = /^(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])|\}))/.exec(text.slice(next + 1, next + 300));
    if (!found) throw new WrongFile(`${short(text)}: a dollar that begins no variable is written as $$`);
    at = next + 1 + found[0].length;
    const [, dollar, plain, name, how] = found;
    if (dollar) parts.push("$");
    else if (how === undefined) parts.push({ variable: /** @type {string} */ (plain ?? name), otherwise: null });
    else {
      const end = closing(text, at);
      const inner = text.slice(at, end);
      at = end + 1;
      const value = known(/** @type {string} */ (name));
      const there = value !== undefined && (value !== "" || !how.startsWith(":"));
      if (how.endsWith("+")) parts.push(there ? flat(inner, known) : "");
      else parts.push({ variable: /** @type {string} */ (name), otherwise: how.endsWith("-") ? flat(inner, known) : null, required: how.endsWith("?") });
    }
  }
  return parts.filter((part) => part !== "");
}

// The brace that ends what begins at a place.
function closing(/** @type {string} */ text, /** @type {number} */ at) {
  for (let depth = 0, i = at; i < text.length; i++) {
    if (text[i] === "$" && text[i + 1] === "{") depth++;
    else if (text[i] === "}" && depth-- === 0) return i;
    if (depth > 8) break;
  }
  throw new WrongFile(`${short(text)}: a variable has no end`);
}

/** A text with its variables filled in. @param {string} text @param {(name: string) => string | undefined} known @returns {string} */
export function flat(text, known) {
  return holes(text, known)
    .map((part) => {
      if (typeof part === "string") return part;
      const value = known(part.variable) || part.otherwise;
      if (value === null) throw new WrongFile(`${short(text)}: the variable ${part.variable} has no value; say one in .env, beside the file`);
      return value;
    })
    .join("");
}

export const short = (/** @type {unknown} */ text) => JSON.stringify(String(text).slice(0, 80));

/** By what a part can be told to end, and the numbers for it. */
export const stopSignals = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"];
const numbers = ["15", "2", "3", "1", "10", "12"];

/** A signal by its name; null for one by which no part ends. @param {string} text */
export function signalOf(text) {
  const said = text.toUpperCase();
  return stopSignals.find((name, i) => said === name || `SIG${said}` === name || said === numbers[i]) ?? null;
}

/** 1m30s as seconds. @param {unknown} text */
export function seconds(text) {
  if (typeof text === "number") return text;
  const parts = [...String(text).matchAll(/(\d{1,9}(?:\.\d{1,9})?)(h|ms|m|s|us|ns)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text) throw new WrongFile(`${short(text)} is no duration`);
  const of = { h: 3600, m: 60, s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9 };
  return Math.ceil(parts.reduce((sum, [, n, unit]) => sum + Number(n) * of[/** @type {keyof typeof of} */ (unit)], 0));
}

/**
 * @typedef {{ port: number, external: number | null, protocol: string, app: string | null, here: boolean }} Port
 * @param {unknown} said what stands in the list of ports
 * @returns {Port[]}
 */
export function portsOf(said) {
  if (typeof said === "object" && said !== null) {
    const { target, published, protocol = "tcp", app_protocol = null, host_ip } = /** @type {Record<string, any>} */ (said);
    return range(String(target), published === undefined || published === null ? null : String(published)).map((one) => ({ ...one, protocol: String(protocol), app: app_protocol === null ? null : String(app_protocol), here: local(host_ip) }));
  }
  const [, host, published, target, protocol = "tcp"] = /^(?:(\[[0-9a-fA-F:.]+\]|[\d.]+):)?(?:([\d-]*):)?([\d-]+)(?:\/([a-z]+))?$/.exec(String(said)) ?? [];
  if (target === undefined) throw new WrongFile(`${short(said)} is no port`);
  return range(target, published || null).map((one) => ({ ...one, protocol, app: null, here: local(host) }));
}

const local = (/** @type {unknown} */ host) => /^(127\.|\[?::1\]?$|localhost$)/.test(String(host ?? ""));

function range(/** @type {string} */ target, /** @type {string | null} */ published) {
  const [from, to] = ends(target);
  const [outside] = published === null ? [null] : ends(published);
  if (to - from >= 16) throw new WrongFile(`${short(target)}: more than 16 ports at once are not taken over`);
  return Array.from({ length: to - from + 1 }, (_, i) => ({ port: from + i, external: outside === null ? null : outside + i }));
}

/** @returns {[number, number]} */
function ends(/** @type {string} */ text) {
  const [from, to = from] = text.split("-").map(Number);
  if (from === undefined || to === undefined || ![from, to].every((port) => Number.isInteger(port) && port >= 1 && port <= 65535) || to < from) throw new WrongFile(`${short(text)} is no port`);
  return [from, to];
}

/**
 * @typedef {{ kind: "volume" | "bind" | "anonymous" | "tmpfs", source: string, target: string, readonly: boolean, folder: string | null }} Mount
 * @param {unknown} said what stands in the list of volumes
 * @returns {Mount}
 */
export function mountOf(said) {
  /** @type {Mount} */
  let mount;
  if (typeof said === "object" && said !== null) {
    const { type, source = "", target, read_only = false, volume } = /** @type {Record<string, any>} */ (said);
    if (!["volume", "bind", "tmpfs"].includes(type)) throw new WrongFile(`a mount of the type ${short(type)} is not known`);
    mount = { kind: type === "volume" && source === "" ? "anonymous" : type, source: String(source), target: String(target), readonly: Boolean(read_only), folder: volume?.subpath === undefined ? null : String(volume.subpath) };
  } else {
    const parts = String(said).split(":");
    if (parts.length > 3) throw new WrongFile(`${short(said)} is no mount`);
    const [source, target, options] = parts.length === 1 ? ["", parts[0], ""] : parts;
    const kind = source === "" ? "anonymous" : /^[./~]/.test(/** @type {string} */ (source)) ? "bind" : "volume";
    mount = { kind, source: /** @type {string} */ (source), target: /** @type {string} */ (target), readonly: (options ?? "").split(",").includes("ro"), folder: null };
  }
  if (!/^\/[^\0]*$/.test(mount.target) || mount.target.split("/").includes("..")) throw new WrongFile(`${short(mount.target)} is no place for a mount`);
  if (mount.folder !== null && (mount.folder.startsWith("/") || mount.folder.split("/").includes(".."))) throw new WrongFile(`${short(mount.folder)} is no folder in a volume`);
  return { ...mount, target: mount.target.length > 1 ? mount.target.replace(/\/+$/, "") : mount.target };
}

/** The lines NAME=value of a file. @param {string} text @returns {Map<string, string>} */
export function variablesOf(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const [, name, value = ""] = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined) continue;
    const quoted = /^(["'])(.*)\1$/.exec(value);
    found.set(name, quoted ? quoted[2] : value.replace(/\s+#.*$/, ""));
  }
  return found;
}
