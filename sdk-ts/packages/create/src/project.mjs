// The files of a new project, from a model of its package.
import { asId } from "./questions.mjs";
import { camel, expression, key, label, object, words } from "./text.mjs";

/** @typedef {import("./text.mjs").Text} Text */
/**
 * @typedef {object} Part
 * @property {string} image
 * @property {Text[]} [command] the command, in place of the image's own
 * @property {boolean} [entrypoint] whether the command stands behind the image's entrypoint
 * @property {[string, string][]} mounts mountpoints, and what is there, in code
 * @property {[string, Text][]} env
 * @property {string} [user]
 * @property {string} [cwd]
 * @property {boolean} [once]
 * @property {string[]} after
 * @property {string} [signal] by what it is told to end
 * @property {number} [patience]
 * @property {{ name: string, port?: number, command?: Text[], grace?: number }} [ready]
 */
/**
 * @typedef {object} Model
 * @property {string} id
 * @property {string} title
 * @property {string} about
 * @property {Record<string, string>} images their names, and where they come from, in code
 * @property {string[]} volumes
 * @property {{ key: string, name: string, kind: "text" | "toggle" | "number", value: string }[]} settings
 * @property {{ key: string, name: string }[]} secrets
 * @property {Record<string, [string, string][]>} interfaces
 * @property {{ path: string, text: Text }[]} written files that are written into the volume main before all runs
 * @property {Record<string, Part>} parts
 * @property {Map<string, string | Buffer>} files
 */

/** The model of a package with one program. @param {import("./questions.mjs").Answers} answers @returns {Model} */
export function modelOf({ id, title, about, image, port, data, command, env }) {
  const settings = env.map((one) => {
    const [name = "", ...value] = one.split("=");
    return { variable: name, key: camel(name), name: label(name), kind: /** @type {const} */ ("text"), value: value.join("=") };
  });
  return {
    id, title, about, settings,
    images: { main: `{ tag: ${JSON.stringify(image)}, arch: ["x86_64", "aarch64"] }` },
    volumes: ["main"],
    secrets: [],
    interfaces: { ui: [["port", port], ["name", '"Page"'], ["description", JSON.stringify(`The page of ${title}`)]] },
    written: [],
    parts: {
      main: {
        image: "main",
        ...(command ? { command: words(command).map((word) => [word]) } : {}),
        mounts: [[data, '"main"']],
        env: settings.map(({ variable, key, kind }) => [variable, [{ setting: key, kind }]]),
        after: [],
        ready: { port: Number(port), name: "Page" },
      },
    },
    files: new Map(),
  };
}

/**
 * The files by their paths.
 * @param {Model} model
 * @param {Record<string, string>} sdk what the SDK is installed from, by the names of packages
 * @returns {Record<string, string | Buffer>}
 */
export function filesOf(model, sdk) {
  return {
    ...Object.fromEntries(model.files),
    "package.json": `${JSON.stringify(packageJson(model, sdk), null, 2)}\n`,
    "tsconfig.json": `${JSON.stringify({ compilerOptions: { target: "ES2022", module: "preserve", moduleResolution: "bundler", strict: true, noUncheckedIndexedAccess: true, skipLibCheck: true, noEmit: true, types: ["node"] }, include: ["*.ts"] }, null, 2)}\n`,
    "package.ts": code(model),
    "package.test.mjs": tests(model),
    ...(Object.hasOwn(model.interfaces, "ui") ? { "checks/page.mjs": checks() } : {}),
    "instructions.md": `# ${model.title}\n\nStart the service and open its page.\n`,
    LICENSE: "Put the license of your package here.\n",
    "icon.svg": icon(model.title),
    ".gitignore": "/node_modules/\n/javascript/\n/images/\n/*.s9pk\n",
  };
}

function packageJson(/** @type {Model} */ { id, about }, /** @type {Record<string, string>} */ sdk) {
  return {
    name: id,
    version: "1.0.0",
    private: true,
    description: about,
    scripts: {
      build: "hearth-build",
      check: "tsc --noEmit",
      test: "hearth-build && node --enable-source-maps --test",
      pack: `tsc --noEmit && hearth-build && hearth s9pk lint . && hearth s9pk pack . --out ${id}.s9pk`,
    },
    devDependencies: { ...sdk, "@types/node": "22.19.1", typescript: "5.9.3" },
  };
}

/** @param {Model} model */
function code(model) {
  const { id, title, about, images, volumes, settings, secrets, interfaces } = model;
  const text = JSON.stringify;
  const used = [
    ...(secrets.length > 0 ? ["action"] : []),
    "definePackage",
    ...(settings.length > 0 ? ["field", "form"] : []),
    ...(secrets.length > 0 ? ["say"] : []),
    ...(Object.values(model.parts).some((part) => part.entrypoint) ? ["UseEntrypoint"] : []),
  ];
  return `import { ${used.join(", ")} } from "@hearthos/sdk";

export const { manifest, init, uninit, main, createBackup, actions } = definePackage({
  about: {
    id: ${text(id)},
    title: ${text(title)},
    license: "MIT",
    short: ${text(about)},
    long: ${text(`${about}.`.replace(/[.]+$/, "."))},
    // Where the package is developed, where the software comes from, and where people read about it.
    packageRepo: "https://example.org/${asId(id)}",
    upstreamRepo: "https://example.org/upstream",
    website: "https://example.org",
  },
  // The newest last. What an update has to do with the data stands beside its version, as \`up\` and \`down\`.
  versions: [{ version: "1.0.0:0", notes: "The first release." }],
  images: ${object(Object.entries(images), 1, 8)},
  volumes: [${volumes.map((volume) => text(volume)).join(", ")}],
${settingsCode(settings)}${secretsCode(secrets)}${Object.keys(interfaces).length > 0 ? `  interfaces: ${object(Object.entries(interfaces).map(([name, members]) => [name, object(members, 2)]), 1, 12)},\n` : ""}${runCode(model)}});
`;
}

function settingsCode(/** @type {Model["settings"]} */ settings) {
  if (settings.length === 0) return "";
  const value = (/** @type {Model["settings"][number]} */ { kind, value }) => (kind === "text" ? JSON.stringify(value) : value);
  const fields = settings.map((one) => `      ${key(one.key)}: field.${one.kind}({ name: ${JSON.stringify(one.name)}, ${one.kind === "number" ? "integer: true, " : ""}default: ${value(one)} }),\n`);
  return `  // What people can change. The service starts anew when they do.\n  settings: {\n    form: form({\n${fields.join("")}    }),\n  },\n`;
}

function secretsCode(/** @type {Model["secrets"]} */ secrets) {
  if (secrets.length === 0) return "";
  const made = object(secrets.map((one) => [one.key, '{ charset: "a-z,A-Z,0-9", len: 24 }']), 1, 9);
  const shown = object(secrets.map((one) => [one.name, `{ value: made.${one.key}.reveal(), masked: true }`]), 4, 40);
  return `  // They are made up once, and kept.
  secrets: ${made},
  actions: ({ secrets }) => [
    action({
      id: "credentials",
      name: "Show credentials",
      description: "What was made up for this service.",
      run: async () => {
        const made = await secrets.once();
        return say("Credentials", null, ${shown});
      },
    }),
  ],
`;
}

/** @param {Model} model */
function runCode({ settings, secrets, written, parts }) {
  const given = [...(settings.length > 0 ? ["settings"] : []), ...(secrets.length > 0 ? ["secrets"] : []), ...(written.length > 0 ? ["volumes"] : [])];
  const context = given.length > 0 ? `{ ${given.join(", ")} }` : "";
  const depth = written.length > 0 ? 2 : 1;
  const all = Object.entries(parts).map(([name, part]) => `${"  ".repeat(depth + 1)}${key(name)}: ${object(partMembers(part, depth + 1), depth + 1, name.length + 2)},\n`).join("");
  if (written.length === 0) return `  run: (${context}) => ({\n${all}  }),\n`;
  const files = written.map(({ path, text }) => `    await volumes.main.writeFile(${JSON.stringify(path)}, ${expression(text)});\n`).join("");
  return `  run: async (${context}) => {\n${files}    return {\n${all}    };\n  },\n`;
}

/** @param {Part} part @param {number} depth @returns {[string, string][]} */
function partMembers(part, depth) {
  const list = (/** @type {Text[]} */ texts) => `[${texts.map((text) => expression(text)).join(", ")}]`;
  return [
    ["image", JSON.stringify(part.image)],
    ...(part.command ? [/** @type {[string, string]} */ (["command", part.entrypoint ? `new UseEntrypoint(${list(part.command)})` : list(part.command)])] : []),
    ...(part.user === undefined ? [] : [/** @type {[string, string]} */ (["user", JSON.stringify(part.user)])]),
    ...(part.cwd === undefined ? [] : [/** @type {[string, string]} */ (["cwd", JSON.stringify(part.cwd)])]),
    ...(part.mounts.length > 0 ? [/** @type {[string, string]} */ (["mounts", object(part.mounts, depth + 1, 8)])] : []),
    ...(part.env.length > 0 ? [/** @type {[string, string]} */ (["env", object(part.env.map(([name, text]) => [name, expression(text, true)]), depth + 1, 5)])] : []),
    ...(part.after.length > 0 ? [/** @type {[string, string]} */ (["after", `[${part.after.map((one) => JSON.stringify(one)).join(", ")}]`])] : []),
    ...(part.signal === undefined ? [] : [/** @type {[string, string]} */ (["signal", JSON.stringify(part.signal)])]),
    ...(part.patience === undefined ? [] : [/** @type {[string, string]} */ (["patience", String(part.patience)])]),
    ...(part.once ? [/** @type {[string, string]} */ (["once", "true"])] : [/** @type {[string, string]} */ (["ready", readyCode(part, list, depth)])]),
  ];
}

/** @param {Part} part @param {(texts: Text[]) => string} list @param {number} depth */
function readyCode({ ready }, list, depth) {
  if (!ready) throw new Error("a part that runs on says how it is known to be well");
  const how = ready.command ? ["command", list(ready.command)] : ready.port === undefined ? ["check", '() => ({ result: "success", message: "It runs" })'] : ["port", String(ready.port)];
  return object([/** @type {[string, string]} */ (how), ["name", JSON.stringify(ready.name)], ...(ready.grace === undefined ? [] : [/** @type {[string, string]} */ (["grace", String(ready.grace)])])], depth + 1, 7);
}

/** @param {Model} model */
function tests({ parts, interfaces }) {
  const all = Object.entries(parts);
  const ports = [...new Set(all.flatMap(([, { ready }]) => (ready?.port === undefined ? [] : [ready.port])))];
  const checked = all.filter(([, part]) => part.ready).map(([name]) => name);
  // What has to come to its end, and the checks of health, do so at once.
  const ending = new Set(all.flatMap(([, { once, image, command, entrypoint, ready }]) => [...(once ? [program(command && !entrypoint ? command : [[image]])] : []), ...(ready?.command ? [program(ready.command)] : [])]));
  const programs = ending.size > 0 ? `, programs: ${object([...ending].map((name) => [name, '"exit 0"']), 1)}` : "";
  const shown = Object.keys(interfaces).map((name) => `  assert.ok(host.interfaces.has(${JSON.stringify(name)}));\n`).join("");
  return `// The package on a host in memory: no server is needed, and nothing runs in a container.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TestHost } from "@hearthos/sdk/testing";
import pkg from "./javascript/index.js";

test("it is installed, started and healthy", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const host = new TestHost(pkg, { clock: t.mock.timers${programs} });
  t.after(() => host.close());
  await host.install();
  await host.start();
${ports.map((port) => `  host.listen(${port});\n`).join("")}${checked.map((name) => `  await host.until(() => host.health.get(${JSON.stringify(name)})?.result === "success");\n`).join("")}${shown}  t.mock.timers.reset();
  await host.stop();
});
`;
}

function checks() {
  return `// The package as it runs on a server: hearth package test . --server
import assert from "node:assert/strict";
import { test } from "node:test";
import { InstalledPackage } from "@hearthos/sdk/testing";

const installed = new InstalledPackage();

test("its page is there", async () => {
  await installed.until(async () => (await installed.fetch("ui")).ok);
  assert.ok((await installed.health()).every(({ result }) => result === "success"));
});
`;
}

/** The name of the program of a command. @param {Text[]} command */
const program = ([first]) => String(first?.[0] ?? "").split("/").at(-1) ?? "";

function icon(/** @type {string} */ title) {
  const letter = [...title.trim()][0]?.toUpperCase().replace(/[<&>"]/, "?") ?? "?";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">
  <rect width="64" height="64" rx="14" fill="#2f5d8a"/>
  <text x="32" y="44" font-family="sans-serif" font-size="36" text-anchor="middle" fill="#fff">${letter}</text>
</svg>
`;
}
