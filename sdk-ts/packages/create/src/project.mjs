// The files of a new project.
import { asId } from "./questions.mjs";

const text = JSON.stringify;
const words = (/** @type {string} */ command) => command.match(/"[^"]*"|'[^']*'|\S+/g)?.map((word) => word.replace(/^(["'])(.*)\1$/, "$2")) ?? [];
// DATA_DIR is dataDir in the settings, and "Data dir" on the page.
const member = (/** @type {string} */ name) => name.toLowerCase().replace(/_+([a-z0-9])/g, (_, c) => c.toUpperCase()).replace(/_/g, "");
const label = (/** @type {string} */ name) => name.toLowerCase().replace(/_+/g, " ").trim().replace(/^./, (c) => c.toUpperCase());

/**
 * The files by their paths.
 * @param {import("./questions.mjs").Answers} answers
 * @param {Record<string, string>} sdk what the SDK is installed from, by the names of packages
 */
export function filesOf(answers, sdk) {
  return {
    "package.json": `${JSON.stringify(packageJson(answers, sdk), null, 2)}\n`,
    "tsconfig.json": `${JSON.stringify({ compilerOptions: { target: "ES2022", module: "preserve", moduleResolution: "bundler", strict: true, noUncheckedIndexedAccess: true, skipLibCheck: true, noEmit: true, types: ["node"] }, include: ["*.ts"] }, null, 2)}\n`,
    "package.ts": code(answers),
    "package.test.mjs": tests(answers),
    "instructions.md": `# ${answers.title}\n\nStart the service and open its page.\n`,
    LICENSE: "Put the license of your package here.\n",
    "icon.svg": icon(answers.title),
    ".gitignore": "/node_modules/\n/javascript/\n/images/\n/*.s9pk\n",
  };
}

function packageJson(/** @type {import("./questions.mjs").Answers} */ { id, about }, /** @type {Record<string, string>} */ sdk) {
  return {
    name: id,
    version: "1.0.0",
    private: true,
    description: about,
    scripts: {
      build: "hearth-build",
      check: "tsc --noEmit",
      test: "hearth-build && node --test",
      pack: `hearth-build && hearth s9pk pack . --out ${id}.s9pk`,
    },
    devDependencies: { ...sdk, "@types/node": "22.19.1", typescript: "5.9.3" },
  };
}

function code(/** @type {import("./questions.mjs").Answers} */ { id, title, about, image, port, data, command, env }) {
  const variables = env.map((one) => {
    const [name = "", ...value] = one.split("=");
    return { name, key: member(name), value: value.join("=") };
  });
  const settings = variables.map(({ name, key, value }) => `      ${key}: field.text({ name: ${text(label(name))}, default: ${text(value)} }),\n`).join("");
  const run = [
    `image: "main"`,
    ...(command ? [`command: [${words(command).map(text).join(", ")}]`] : []),
    `mounts: { ${text(data)}: "main" }`,
    ...(variables.length > 0 ? [`env: { ${variables.map(({ name, key }) => `${name}: settings.${key}`).join(", ")} }`] : []),
    `ready: { port: ${port}, name: "Page" }`,
  ];
  return `import { definePackage${variables.length > 0 ? ", field, form" : ""} } from "@hearthos/sdk";

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
  images: { main: { tag: ${text(image)}, arch: ["x86_64", "aarch64"] } },
  volumes: ["main"],
${variables.length > 0 ? `  // What people can change. The service starts anew when they do.\n  settings: {\n    form: form({\n${settings}    }),\n  },\n` : ""}  interfaces: { ui: { port: ${port}, name: "Page", description: ${text(`The page of ${title}`)} } },
  run: (${variables.length > 0 ? "{ settings }" : ""}) => ({
    main: { ${run.join(", ")} },
  }),
});
`;
}

function tests(/** @type {import("./questions.mjs").Answers} */ { port }) {
  return `// The package on a host in memory: no server is needed, and nothing runs in a container.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TestHost } from "@hearthos/sdk/testing";
import pkg from "./javascript/index.js";

test("it is installed, started and healthy", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const host = new TestHost(pkg, { clock: t.mock.timers });
  t.after(() => host.close());
  await host.install();
  await host.start();
  host.listen(${port});
  await host.until(() => host.health.get("main")?.result === "success");
  assert.ok(host.interfaces.has("ui"));
  t.mock.timers.reset();
  await host.stop();
});
`;
}

function icon(/** @type {string} */ title) {
  const letter = [...title.trim()][0]?.toUpperCase().replace(/[<&>"]/, "?") ?? "?";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">
  <rect width="64" height="64" rx="14" fill="#2f5d8a"/>
  <text x="32" y="44" font-family="sans-serif" font-size="36" text-anchor="middle" fill="#fff">${letter}</text>
</svg>
`;
}
