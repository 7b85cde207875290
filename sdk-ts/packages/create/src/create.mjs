import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { composeName, importCompose } from "./compose.mjs";
import { WrongFile } from "./compose-values.mjs";
import { filesOf, modelOf } from "./project.mjs";
import { composed, questions, wrongVariable } from "./questions.mjs";

/** What the caller said is wrong; nothing was done. */
export class WrongUsage extends Error {}

const help = `Begins a package for Hearth.

  npm create @hearthos [FOLDER] [-- FLAGS]

Asks what is not said by a flag. With --yes, or when nobody is there to be asked, suggestions are taken.

  --id, --title, --about     what it is called, and what it does
  --image, --command         what runs
  --port, --data             the port of its page, and the folder that is kept
  --env NAME[=value]         a variable of the program that people can set; may be repeated
  --compose FILE             takes what runs from a compose file, in place of the flags above from --image on
  --packages DIR             takes the SDK from its .tgz files in a folder
  --no-install               does not run npm install
  --run                      builds it, packs it and installs it on the server; needs hearth
  --yes                      asks nothing
`;
const flag = /** @type {const} */ ({ type: "string" });
const toggle = /** @type {const} */ ({ type: "boolean", default: false });
const options = { id: flag, title: flag, about: flag, image: flag, command: flag, port: flag, data: flag, packages: flag, compose: flag, env: /** @type {const} */ ({ type: "string", multiple: true, default: [] }), "no-install": toggle, run: toggle, yes: toggle, help: toggle };

/**
 * Does what the command line says, from asking to (with --run) the installed service.
 * @param {string[]} args
 */
export async function run(args) {
  const { values, positionals } = parsed(args);
  if (values.help) return void process.stdout.write(help);
  if (positionals.length > 1) throw new WrongUsage(`one folder is enough, there is ${positionals.slice(1).join(" ")} more`);
  const sdk = sdkFrom(values.packages);
  const answers = await answered({ ...values, ...(positionals[0] === undefined ? {} : { folder: positionals[0] }) }, Boolean(values.yes));
  const { model, notes } = values.compose === undefined ? { model: modelOf(answers), notes: [] } : imported(values.compose, () => importCompose(/** @type {string} */ (values.compose), answers));
  const folder = resolve(answers.folder);
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new WrongUsage(`the folder ${answers.folder} is not empty`);
  for (const [path, content] of Object.entries(filesOf(model, sdk))) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  console.log(`The project is in ${answers.folder}.`);
  if (notes.length > 0) console.log(`To look at, as it is not what the compose file says:\n${notes.map((note) => `  ${note}`).join("\n")}`);
  if (values["no-install"] && !values.run) return next(answers, ["npm install"]);
  program("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], folder);
  if (!values.run) return next(answers, []);
  program("hearth", ["keys", "init"], folder);
  program("npm", ["run", "--silent", "pack"], folder);
  program("hearth", ["package", "install", `${answers.id}.s9pk`], folder);
  program("hearth", ["package", "addresses", answers.id], folder);
}

function parsed(/** @type {string[]} */ args) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (err) {
    throw new WrongUsage(/** @type {Error} */ (err).message);
  }
}

/** What the SDK is installed from: the registry, or files that npm has packed. @param {string | undefined} packages */
function sdkFrom(packages) {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  if (packages === undefined) return { "@hearthos/sdk": version };
  const folder = resolve(packages);
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => /^hearthos-(sdk|abi)-.*\.tgz$/.test(file)) : [];
  if (files.length === 0) throw new WrongUsage(`there is no hearthos-sdk-….tgz in ${packages}`);
  return Object.fromEntries(files.map((file) => [`@hearthos/${file.split("-")[1]}`, `file:${join(folder, file)}`]));
}

/**
 * @param {Record<string, any>} given
 * @param {boolean} alone whether nobody is asked
 * @returns {Promise<import("./questions.mjs").Answers>}
 */
async function answered(given, alone) {
  const person = alone || !process.stdin.isTTY ? null : createInterface({ input: process.stdin, output: process.stdout });
  /** @type {Record<string, any>} */
  const answers = { env: given["env"] ?? [] };
  const compose = given["compose"];
  if (compose !== undefined) {
    for (const { name } of questions) if (!composed.includes(name) && given[name] !== undefined) refuse(`--${name}`, "what runs is in the compose file");
    if (answers["env"].length > 0) refuse("--env", "what runs is in the compose file");
    answers["name"] = imported(compose, () => composeName(compose));
  }
  try {
    for (const variable of answers["env"]) refuse(`--env ${variable}`, wrongVariable(variable));
    for (const { name, text, suggest, wrong } of questions) {
      if (compose !== undefined && !composed.includes(name)) continue;
      if (given[name] !== undefined) refuse(name === "folder" ? given[name] : `--${name} ${given[name]}`, wrong((answers[name] = given[name])));
      else answers[name] = person ? await asked(person, text, suggest(answers), wrong) : suggest(answers);
    }
  } finally {
    person?.close();
  }
  return /** @type {any} */ (answers);
}

/** What a compose file gives. @template T @param {string} path @param {() => T} fn @returns {T} */
function imported(path, fn) {
  try {
    return fn();
  } catch (err) {
    if (err instanceof WrongFile) throw new WrongUsage(`--compose ${path}: ${err.message}`);
    throw err;
  }
}

function refuse(/** @type {string} */ what, /** @type {string | null} */ why) {
  if (why !== null) throw new WrongUsage(`${what}: ${why}`);
}

/** @type {(person: import("node:readline/promises").Interface, text: string, suggestion: string, wrong: (answer: string) => string | null) => Promise<string>} */
async function asked(person, text, suggestion, wrong) {
  for (;;) {
    const answer = (await person.question(`${text}${suggestion ? ` (${suggestion})` : ""}: `)).trim() || suggestion;
    const why = wrong(answer);
    if (why === null) return answer;
    console.log(`  ${why}`);
  }
}

function program(/** @type {string} */ name, /** @type {string[]} */ args, /** @type {string} */ cwd) {
  console.log(`$ ${name} ${args.join(" ")}`);
  const { status, error } = spawnSync(name, args, { cwd, stdio: "inherit" });
  if (error) throw new WrongUsage(`${name} cannot be run: ${error.message}. The project is whole; run it in ${cwd}`);
  if (status !== 0) throw new WrongUsage(`${name} ${args[0]} failed. The project is whole; run it again in ${cwd}`);
}

function next(/** @type {import("./questions.mjs").Answers} */ { folder, id }, /** @type {string[]} */ first) {
  const steps = [`cd ${relative(process.cwd(), resolve(folder)) || "."}`, ...first, "npm test", "hearth keys init", "npm run pack", `hearth package install ${id}.s9pk`];
  console.log(`Next:\n${steps.map((step) => `  ${step}`).join("\n")}`);
}
