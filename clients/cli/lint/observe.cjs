// Looks at a package without running anything of its service. For its plan calls its init with effects that only write down what they are
// asked, and asks it; for its forms has it describe its actions to such effects, and asks each. Arguments: the bundle, the file to
// write, the names of all effects, as JSON, and what is wanted.
const { randomBytes } = require("node:crypto");
const { mkdirSync, readdirSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const [, , bundle, out, names, wanted] = process.argv;
const root = process.env.HEARTH_PACKAGE_ROOT;
console.log = console.info = console.debug = console.error;

const patience = 10_000;
const calls = [];
const pem = (what, content = "") => `-----BEGIN ${what}-----\n${content}\n-----END ${what}-----\n`;
// What is never null on a server is not null here. A key is another one each time, as there.
const answers = {
  "get-os-ip": "10.0.3.1", "get-container-ip": "10.0.3.2", "get-dependencies": [], "check-dependencies": [], "get-installed-packages": [], "list-service-interfaces": {},
  "get-ssl-certificate": Array.from({ length: 3 }, () => pem("CERTIFICATE")), "get-ssl-key": pem("PRIVATE KEY", randomBytes(32).toString("base64")),
};
function effects() {
  const made = { eventId: null, isInContext: true, child: () => effects(), onLeaveContext: () => {}, clearCallbacks: async () => null };
  for (const name of JSON.parse(names)) {
    const path = name.split(".").map((part) => part.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase()));
    const at = path.slice(0, -1).reduce((at, part) => (at[part] ??= {}), made);
    at[path.at(-1)] = async (params = {}) => (calls.push({ effect: name, params: { ...params, callback: undefined } }), answers[name] ?? null);
  }
  return made;
}

async function forms() {
  const pkg = require(bundle);
  for (const folder of [...pkg.manifest.volumes.map((id) => `volumes/${id}`), "assets", "images", "backup", "net"]) mkdirSync(join(root, folder), { recursive: true });
  await pkg.actions.init(effects(), "install");
  const seen = { forms: [], unknown: [] };
  for (const { id, metadata } of calls.filter(({ effect }) => effect === "action.export").map(({ params }) => params)) {
    if (!metadata?.hasInput) continue;
    try {
      const { spec } = await pkg.actions.get(id).getInput({ effects: { ...effects(), eventId: "look" }, prefill: null });
      seen.forms.push({ id, spec });
    } catch {
      seen.unknown.push(id);
    }
  }
  return seen;
}

async function observe() {
  const seen = { calls, planned: false, versions: [], parts: [], backup: [], written: [], home: "" };
  const pkg = require(bundle);
  const { plan } = pkg.main ?? {};
  // Code for another SDK knows fixed places of a container, and is left alone.
  if (!plan) return seen;
  for (const folder of [...pkg.manifest.volumes.map((id) => `volumes/${id}`), "assets", "images", "backup", "net"]) mkdirSync(join(root, folder), { recursive: true });
  // An init may wait for what runs in its images, of which nothing runs here.
  await Promise.race([pkg.init({ effects: effects(), kind: "install" }), new Promise((go) => setTimeout(go, patience))]);
  const [parts, backup] = [await plan.parts(effects()), await plan.backup(effects())];
  const written = pkg.manifest.volumes.filter((id) => readdirSync(join(root, "volumes", id)).length > 0);
  return { ...seen, planned: true, versions: plan.versions, parts, backup, written, home: pkg.manifest.volumes[0] ?? "" };
}
(wanted === "forms" ? forms() : observe()).then((seen) => {
  writeFileSync(out, JSON.stringify(seen));
  process.exit(0); // whatever the package's code still waits for
}, (err) => {
  console.error(err);
  process.exit(1);
});
