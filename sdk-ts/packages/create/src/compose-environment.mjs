// What the environment of services becomes: settings that people change, secrets that are made up, and what stays in the code.
import { holes } from "./compose-values.mjs";
import { camel, label } from "./text.mjs";

/** @typedef {import("./text.mjs").Text} Text */

const secretName = /(^|_)(pass|password|passwd|passphrase|secret|token|api_?key|private_?key|(app|auth|session|cookie|master|signing|jwt|access|encryption)_?key|secret_?key(_base)?|key_?base|salt|credentials?)s?$/i;
// Those of them that say how a password comes to be, and are none.
const howSecret = /(^|_)(allow_empty|random|onetime)(_root)?_password$/i;
// Empty ones that somebody has to think of, which are not empty on purpose, and those that others give out, or do not want.
const thoughtOf = /(^|_)(pass|password|passwd|passphrase|secret|(encryption|secret)_?key(_base)?|key_?base)$/i;
const givenOut = /(^|_)(smtp|e?mail|redis|valkey|ldap|s3|aws|client)_/i;
// Values that turn something on are none.
const noSecret = /^(true|false|yes|no|on|off|\d*)$/i;
// What a database is made with at its first start, which later changes nothing, and what others call it by.
const makes = /^(POSTGRES|MYSQL|MARIADB|MONGO_INITDB)_/;
const called = /(user|username|name|database|db|schema)$/i;
// A word that is a password in one place is the same one in others; what is shorter may be there by chance.
const shortest = 6;
// As much before and behind such a word tells whether it is one.
const around = 16;

export class Environment {
  /** @type {import("./project.mjs").Model["settings"]} */
  settings = [];
  /** @type {import("./project.mjs").Model["secrets"]} */
  secrets = [];
  /** What stands for a variable of the file. @type {Map<string, Text>} */
  #variables = new Map();
  /** The keys of secrets by the words that stand for them in the file. @type {Map<string, string>} */
  #words = new Map();
  /** Whose name and word a secret has, by its key. @type {Map<string, { name: string, word: string }>} */
  #owners = new Map();
  /** Settings by service and variable. @type {Map<string, Text>} */
  #fields = new Map();
  /** What databases are made with. @type {Set<string>} */
  #made = new Set();
  #names = /** @type {string[]} */ ([]);
  #places = /** @type {string[]} */ ([]);

  constructor(/** @type {(name: string) => string | undefined} */ known, /** @type {(note: string) => void} */ note) {
    this.known = known;
    this.note = note;
  }

  /** Says what holds the services together, and is nobody's to change: their names, and the places of their volumes. */
  wire(/** @type {string[]} */ names, /** @type {string[]} */ places) {
    this.#names = names;
    this.#places = places;
  }

  /** Finds the passwords of all services, and then what their databases are made with. @param {[string, string | null][]} env */
  collect(env) {
    const all = env.map(([name, value]) => ({ name, parts: value === null ? [{ variable: name, otherwise: null }] : holes(value, this.known) }));
    for (const { name, parts } of all) if (isSecret(name)) this.#password(name, parts);
    for (const { name, parts } of all) if (makes.test(name) && !isSecret(name)) this.#made.add(parts.map((part) => (typeof part === "string" ? part : this.#fixed(part))).join(""));
  }

  #password(/** @type {string} */ name, /** @type {(string | import("./compose-values.mjs").Hole)[]} */ parts) {
    const [only] = parts;
    // A variable that is the whole of a password is one, whatever it is called.
    if (parts.length === 1 && typeof only === "object") {
      const value = this.known(only.variable) || only.otherwise || "";
      if (!this.#variables.has(only.variable)) this.#variables.set(only.variable, [this.secret(only.variable, value)]);
      this.#learn(only.variable, value);
    } else if (parts.every((part) => typeof part === "string")) {
      const plain = parts.join("");
      if (isUnsaid(name, plain)) this.note(`${name} is empty in the file, and made up here: look whether it has to be the same as another one`);
      else this.#learn(name, plain);
    }
  }

  /** Remembers a password of the file, which may stand in other places too. */
  #learn(/** @type {string} */ name, /** @type {string} */ word) {
    if (!noSecret.test(word) && !word.startsWith("/") && !this.#words.has(word)) this.#words.set(word, this.secret(name, word).secret);
  }

  /** Leaves variables in the code that say more in a text than settings could change: an image, a mount, a port. @param {string} said */
  leave(said) {
    for (const part of holes(said, this.known)) {
      const value = typeof part === "string" ? "" : this.known(part.variable);
      if (typeof part === "object" && value && !this.#variables.has(part.variable) && !isSecret(part.variable)) this.#variables.set(part.variable, [value]);
    }
  }

  /** What a variable is for good, where a database is made with it. @param {import("./compose-values.mjs").Hole} hole */
  #fixed({ variable, otherwise }) {
    const value = this.known(variable) || otherwise || "";
    if (!this.#variables.has(variable) && !isSecret(variable)) {
      if (value === "") this.note(`${variable} has no value, and a database is made with it: say one in the code`);
      this.#variables.set(variable, [value]);
    }
    return value;
  }

  /** A secret by a name of the file; two that are not the same there are two here. @param {string} name @param {string} [word] what it is there */
  secret(name, word = "") {
    let key = camel(name);
    for (let n = 2; ; n++) {
      const owner = this.#owners.get(key);
      if (!owner) {
        this.#owners.set(key, { name, word });
        this.secrets.push({ key, name: n === 2 ? label(name) : `${label(name)} ${n - 1}` });
      } else if (owner.name !== name || (word !== "" && owner.word !== "" && owner.word !== word)) {
        key = `${camel(name)}${n}`;
        continue;
      }
      return { secret: key };
    }
  }

  /** The environment of a service. @param {string} service @param {[string, string | null][]} env @returns {[string, Text][]} */
  of(service, env) {
    return env.map(([name, value]) => {
      if (value === null) return [name, this.#variable({ variable: name, otherwise: null })];
      const parts = holes(value, this.known);
      if (parts.some((part) => typeof part !== "string")) return [name, this.text(value)];
      const plain = parts.join("");
      if (isUnsaid(name, plain)) return [name, [this.secret(name)]];
      const makesIt = makes.test(name) && (!isSecret(name) || noSecret.test(plain));
      if (called.test(name) && (makesIt || this.#made.has(plain))) return [name, [plain]];
      if (makesIt) return [name, this.#withWords(plain)];
      // What .env says is the variable, by whichever way the service has it.
      if (this.known(name) === plain && (this.#variables.has(name) || !isSecret(name))) return [name, this.#variable({ variable: name, otherwise: null })];
      const word = this.#words.get(plain);
      if (word !== undefined && isSecret(name)) return [name, [{ secret: word }]];
      return [name, this.#bound(plain) ?? this.#field(service, name, plain)];
    });
  }

  /** A text of the file, with its variables and passwords. @param {string} said @returns {Text} */
  text(said) {
    return holes(said, this.known).flatMap((part) => (typeof part === "string" ? this.#withWords(part) : this.#variable(part)));
  }

  /** @param {import("./compose-values.mjs").Hole} hole @returns {Text} */
  #variable({ variable, otherwise, required }) {
    const there = this.#variables.get(variable);
    if (there !== undefined) return there;
    if (required && !this.known(variable) && !isSecret(variable)) this.note(`${variable} has to have a value, as the file says: its setting is empty here`);
    const value = this.known(variable) || otherwise || "";
    const made = isSecret(variable) ? [this.secret(variable)] : (this.#bound(value) ?? [this.#setting(camel(variable), variable, value)]);
    this.#variables.set(variable, made);
    return made;
  }

  /** @returns {Text} */
  #field(/** @type {string} */ service, /** @type {string} */ name, /** @type {string} */ value) {
    const same = this.#fields.get(`${name}=${value}`);
    if (same) return same;
    const plain = camel(name);
    const own = this.settings.some((one) => one.key === plain) ? `${service}_${name}` : name;
    const text = [this.#setting(camel(own), own, value)];
    this.#fields.set(`${name}=${value}`, text);
    return text;
  }

  /** @returns {Text[number]} */
  #setting(/** @type {string} */ wanted, /** @type {string} */ name, /** @type {string} */ value) {
    let key = wanted;
    for (let n = 2; this.settings.some((one) => one.key === key); n++) key = `${wanted}${n}`;
    const kind = /^(true|false)$/.test(value) ? "toggle" : /^(0|[1-9]\d{0,8})$/.test(value) ? "number" : "text";
    this.settings.push({ key, name: `${label(name)}${key.slice(wanted.length).replace(/^./, " $&")}`, kind, value });
    return { setting: key, kind };
  }

  /** A value that is not people's to change, since it holds a password or leads to another service. @returns {Text | null} */
  #bound(/** @type {string} */ value) {
    const text = this.#withWords(value);
    return text.length > 1 || this.#wires(value) ? text : null;
  }

  #wires(/** @type {string} */ value) {
    const host = /^(?:[a-z][a-z0-9+.-]*:\/\/)?(?:[^@/]*@)?([A-Za-z0-9._-]+)(?=[:/]|$)/.exec(value)?.[1] ?? "";
    return this.#names.includes(host) || this.#places.some((place) => value === place || value.startsWith(`${place}/`));
  }

  /** Puts secrets in the place of passwords within a text. @param {string} plain @returns {Text} */
  #withWords(plain) {
    /** @type {Text} */
    let text = [plain];
    for (const [word, secret] of this.#words) {
      if (word.length < shortest) continue;
      text = text.flatMap((part) => {
        if (typeof part !== "string" || !part.includes(word)) return [part];
        /** @type {Text} */
        const cut = [];
        let from = 0;
        for (let at = part.indexOf(word); at >= 0; at = part.indexOf(word, at + word.length)) {
          if (!this.#isPassword(word, part.slice(Math.max(0, at - around), at), part.slice(at + word.length, at + word.length + around))) continue;
          cut.push(part.slice(from, at), { secret });
          from = at + word.length;
        }
        return [...cut, part.slice(from)].filter((one) => one !== "");
      });
    }
    return text;
  }

  /** Whether a password's word is the password where it stands, and not by chance. */
  #isPassword(/** @type {string} */ word, /** @type {string} */ before, /** @type {string} */ after) {
    if (/\w$/.test(before) || /^\w/.test(after)) return false;
    // In a URL, and where it says so.
    if ((/:$/.test(before) && after.startsWith("@")) || /pass(word|wd)?[=:]\s*$/i.test(before)) return true;
    const inPath = after.startsWith("/") || (before.endsWith("/") && !after.startsWith("@"));
    return !inPath && !this.#names.includes(word) && !this.#made.has(word);
  }
}

const isSecret = (/** @type {string} */ name) => secretName.test(name) && !howSecret.test(name) && !/_file$/i.test(name);
const isUnsaid = (/** @type {string} */ name, /** @type {string} */ value) => value === "" && isSecret(name) && thoughtOf.test(name) && !givenOut.test(name);
