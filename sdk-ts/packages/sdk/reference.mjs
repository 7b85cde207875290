// Makes docs/packaging/reference of the types and what is written at them, and a test of the examples that stand there. What is
// exported and has no comment, and what runs and has no example, is an error.
//
//     node reference.mjs            writes the pages
//     node reference.mjs --check    says whether they are as they would be written
//
// The examples go to .made/examples.ts in either case; effects, volume, database and testHost are there for all.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const here = dirname(fileURLToPath(import.meta.url));
const pages = join(here, "../../../docs/packaging/reference");
const entries = { "@hearthos/sdk": join(here, "dist/esm/index.d.ts"), "@hearthos/sdk/testing": join(here, "dist/esm/testing/index.d.ts") };
const program = ts.createProgram(Object.values(entries), { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, strict: true, skipLibCheck: true, types: ["node"] });
const checker = program.getTypeChecker();

const aliased = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
const isNamespace = (symbol) => symbol.flags & ts.SymbolFlags.ValueModule && !(symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Function));

/** The declarations of a symbol, as code by its exported name and without what is private. */
function declared(symbol, name) {
  const found = symbol.declarations.map((declaration) => {
    const statement = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
    return statement.getText().replace(/^export (declare )?/, "");
  });
  return found
    .join("\n")
    .replace(/^ +(private .*|#private;)\n/gm, "")
    .replaceAll(/import\("[^"]+"\)\./g, "")
    // The inferred type of a large form fills pages and tells nobody anything.
    .replace(/^(const \w+: [\w.]+)<[\s\S]{1500,}$/, "$1<…>;")
    .replaceAll(new RegExp(`\\b${symbol.name.replace("$", "\\$")}\\b(?=[<(:]| =)`, "g"), name);
}

/** What is exported, on which page and by which name: names of a namespace are written with it. */
function exported(module, page, prefix) {
  return checker.getExportsOfModule(module).flatMap((symbol) => {
    const target = aliased(symbol);
    if (isNamespace(target)) return exported(target, symbol.name, `${symbol.name}.`);
    const text = ts.displayPartsToString(target.getDocumentationComment(checker)).trim();
    const examples = target.getJsDocTags(checker).filter((tag) => tag.name === "example").map((tag) => ts.displayPartsToString(tag.text).trim());
    return [{ page, name: `${prefix}${symbol.name}`, plain: symbol.name, own: target.name, runs: Boolean(target.flags & ts.SymbolFlags.Value), text, examples, code: declared(target, symbol.name) }];
  });
}
const all = Object.entries(entries).flatMap(([name, file]) => exported(checker.getSymbolAtLocation(program.getSourceFile(file)), name.endsWith("testing") ? "testing" : "sdk", ""));

// An example of a type is one of what takes it or gives it, or of what is made of it.
const shownBy = new Map(all.filter((one) => one.examples.length > 0).map((one) => [one, one]));
for (let before = -1; before !== shownBy.size; ) {
  before = shownBy.size;
  for (const one of all) {
    if (shownBy.has(one)) continue;
    const uses = new RegExp(`\\b(${one.plain}|${one.own})\\b`);
    const by = [...shownBy.keys()].find((other) => uses.test(other.code) || other.examples.some((code) => uses.test(code)));
    if (by) shownBy.set(one, shownBy.get(by));
  }
}

const wrong = [
  ...all.filter(({ text }) => !text).map(({ name }) => `${name} has no comment`),
  ...all.filter(({ runs, examples }) => runs && examples.length === 0).map(({ name }) => `${name} has no example`),
  ...all.filter((one) => !shownBy.has(one)).map(({ name }) => `no example shows ${name}`),
];
if (wrong.length > 0) {
  console.error(wrong.join("\n"));
  process.exit(1);
}

const titles = {
  sdk: "@hearthos/sdk", file: "file: files with a shape", host: "host: what the host knows", health: "health: checks and when they are made", patterns: "patterns: for text fields",
  smtp: "smtp: forms for mail", wire: "wire: the JSON between a package and its host", testing: "@hearthos/sdk/testing",
};
const made = "<!-- Made of the types by sdk-ts/packages/sdk/reference.mjs. -->\n\n";
const anchor = (name) => name.toLowerCase().replaceAll(".", "");
const fence = (code) => `\`\`\`ts\n${code}\n\`\`\`\n`;
function page(id) {
  const parts = all.filter((one) => one.page === id).map((one) => {
    const by = shownBy.get(one);
    const example = one.examples.length > 0 ? `\n${one.examples.map((code) => `Example:\n\n${fence(code)}`).join("\n")}` : `\nSee the example of [${by.name}](${by.page === id ? "" : `${by.page}.md`}#${anchor(by.name)}).\n`;
    return `## ${one.name}\n\n${one.text}\n\n${fence(one.code)}${example}`;
  });
  return `${made}# ${titles[id]}\n\n${parts.join("\n")}`;
}
const ids = [...new Set(all.map((one) => one.page))];
const index = `${made}# Reference

Everything that \`@hearthos/sdk\` exports, with its types and an example. The examples are run by the tests. In them \`effects\` is what the host
gives to the calls of a package, \`volume\` a volume, \`database\` a subcontainer, \`pkg\` a package, \`testHost\` the host in memory that stands
behind \`effects\`, and \`assert\` that of node. What \`@hearthos/sdk/startos\` exports has the names of the original's SDK
([moving over](../migration.md)).

${ids.map((id) => `- [${titles[id]}](${id}.md): ${all.filter((one) => one.page === id).map(({ name, plain }) => `[${plain}](${id}.md#${anchor(name)})`).join(", ")}`).join("\n")}
`;
const files = { "README.md": index, ...Object.fromEntries(ids.map((id) => [`${id}.md`, page(id)])) };

const examples = all.flatMap(({ name, examples }) => examples.map((code) => ({ name, code })));
const top = all.filter((one) => one.page === "sdk");
const namespaces = ids.filter((id) => id !== "sdk" && id !== "testing");
mkdirSync(join(here, ".made"), { recursive: true });
writeFileSync(
  join(here, ".made/examples.ts"),
  `import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ${[...namespaces, ...top.map(({ plain, runs }) => (runs ? plain : `type ${plain}`))].join(", ")} } from "@hearthos/sdk";
import { InstalledPackage, TestHost } from "@hearthos/sdk/testing";

let effects!: Effects;
const testHost = new TestHost({ init: async (given) => void (effects = given.effects), uninit: async () => {}, actions: { get: () => undefined }, manifest: { images: { db: {} } } }, {
  programs: { true: "exit 0", false: "exit 1" },
  answers: { "get-service-manifest": () => { throw new Error("it is not installed"); }, "get-host-info": () => null, "check-dependencies": () => [], "get-os-ip": () => "10.0.3.1", "get-container-ip": () => "10.0.3.7" },
});
await testHost.install();
const volume = new Volume("main");
const database = new LazySubContainer(effects, { imageId: "db" }, null, "database");
const pkg = definePackage({
  about: { id: "x", title: "X", license: "MIT", short: "s", long: "l", packageRepo: "https://example.org", upstreamRepo: "https://example.org", website: "https://example.org" },
  versions: [{ version: "1.0.0:0", notes: "First" }], images: { web: "nginx:1.29" }, volumes: ["main"],
  run: () => ({ web: { image: "web", ready: { port: 80 } } }),
});
after(async () => {
  await database.destroy();
  testHost.close();
});
${examples.map(({ name, code }) => `\ntest(${JSON.stringify(name)}, async () => {\n${code.replace(/^/gm, "  ")}\n});`).join("\n")}
void [${top.filter(({ runs }) => runs).map(({ plain }) => plain).join(", ")}, pkg];
`,
);

if (process.argv.includes("--check")) {
  const stale = [...new Set([...Object.keys(files), ...(existsSync(pages) ? readdirSync(pages) : [])])].filter((name) => !(name in files) || !existsSync(join(pages, name)) || readFileSync(join(pages, name), "utf8") !== files[name]);
  if (stale.length > 0) {
    console.error(`docs/packaging/reference is not what the types say (${stale.join(", ")}): run npm run reference --workspace sdk-ts/packages/sdk`);
    process.exit(1);
  }
} else {
  rmSync(pages, { recursive: true, force: true });
  mkdirSync(pages, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(pages, name), text);
}
