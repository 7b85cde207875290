// Texts that are put together when the package runs: of words, of settings and of secrets.

/** @typedef {string | { setting: string, kind: "text" | "toggle" | "number" } | { secret: string }} Part */
/** @typedef {Part[]} Text */

const quoted = JSON.stringify;

/** Words of a template literal. */
const escaped = (/** @type {string} */ words) => words.replace(/[\\`]|\$(?=\{)/g, "\\$&");

/** A member of an object, in code. */
const member = (/** @type {string} */ of, /** @type {string} */ key) => (/^[A-Za-z_$][\w$]*$/.test(key) ? `${of}.${key}` : `${of}[${quoted(key)}]`);

/** The expression of a text. @param {Text} text @param {boolean} [hides] whether a secret may stand as it is, since what takes it knows them */
export function expression(text, hides = false) {
  const parts = text.filter((part) => part !== "");
  const [only] = parts;
  if (parts.every((part) => typeof part === "string")) return quoted(parts.join(""));
  if (parts.length === 1 && only !== undefined && typeof only !== "string") {
    if ("secret" in only) return hides ? member("secrets", only.secret) : `${member("secrets", only.secret)}.reveal()`;
    return only.kind === "text" ? member("settings", only.setting) : `String(${member("settings", only.setting)})`;
  }
  const inner = parts.map((part) => (typeof part === "string" ? escaped(part) : `\${${"secret" in part ? `${member("secrets", part.secret)}.reveal()` : member("settings", part.setting)}}`));
  return `\`${inner.join("")}\``;
}

/** The key of a text in an object of code. */
export const key = (/** @type {string} */ name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name));

/** An object in code: on one line where it fits, else a member a line. @param {[string, string][]} members @param {number} depth @param {number} [before] how much stands before it on its line */
export function object(members, depth, before = 0) {
  const line = `{ ${members.map(([name, value]) => `${key(name)}: ${value}`).join(", ")} }`;
  if (members.length === 0) return "{}";
  if (!line.includes("\n") && depth * 2 + before + line.length <= 140) return line;
  const pad = "  ".repeat(depth + 1);
  return `{\n${members.map(([name, value]) => `${pad}${key(name)}: ${value},\n`).join("")}${"  ".repeat(depth)}}`;
}

/** DATA_DIR is dataDir in code. */
export const camel = (/** @type {string} */ name) => {
  const made = name.toLowerCase().replace(/[^a-z0-9]+([a-z0-9])/g, (_, c) => c.toUpperCase()).replace(/[^A-Za-z0-9]/g, "");
  const plain = made.charAt(0).toLowerCase() + made.slice(1);
  return /^[a-z]/.test(plain) ? plain : `v${plain}`;
};
/** DATA_DIR is "Data dir" on the page. */
export const label = (/** @type {string} */ name) => name.toLowerCase().replace(/[^a-z0-9]+/g, " ").trim().replace(/^./, (c) => c.toUpperCase());

/** Words of a command, as a shell cuts them. @param {string} command */
export const words = (command) => command.match(/(?:"[^"]*"|'[^']*'|\S)+/g)?.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2")) ?? [];
