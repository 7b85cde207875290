// What run tells about packages: report.mjs built ID FOLDER COMMIT SDKS.json, tested BUILT.json STEPS.json,
// page RESULTS_DIR. Each prints what it makes.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const print = (value) => console.log(JSON.stringify(value, null, 2));
const steps = ["install", "configure", "healthy", "restart", "uninstall"];

// built is a package as it was built: which sources, which SDK.
function built([id, folder, commit, sdks]) {
  print({ id, repository: folder, commit, ...read(sdks) });
}

// tested adds what the test saw. A step that the test did not come to is not one that passed.
function tested([package_, seen]) {
  const results = existsSync(seen) ? read(seen) : {};
  print({
    ...read(package_),
    date: new Date().toISOString().slice(0, 10),
    steps: Object.fromEntries(steps.map((name) => [name, results[name] ?? "not reached"])),
  });
}

function page([dir]) {
  const results = readdirSync(dir).sort().map((name) => read(join(dir, name)));
  const row = (cells) => `| ${cells.join(" | ")} |`;
  const commit = (c) => (/^[0-9a-f]{40}$/.test(c) ? c.slice(0, 12) : c);
  const sdk = (r) => (r.types === "yes" ? r.used : `${r.used}, without its type check`);
  console.log(`# Compatibility

Public StartOS packages that were built from their unmodified sources and run on a real server. The page is written by
\`make compat\`, which does so; do not edit it. How they are built, and what takes the place of their images, is in
[server/compat](../server/compat/README.md).

${row(["package", "sources", "commit", "tested", "SDK pinned", "SDK used", ...steps])}
${row(Array(6 + steps.length).fill("---"))}
${results.map((r) => row([r.id, r.repository, commit(r.commit), r.date, r.pinned, sdk(r), ...steps.map((s) => r.steps[s])])).join("\n")}

- **install**: the file is verified, the container is made, the package's init runs.
- **configure**: its actions and tasks; "nothing to do" where it asks for none.
- **healthy**: it runs, all its health checks succeed, and its page answers over HTTPS.
- **restart**: it is stopped and started, is healthy again, and what it kept before is there.
- **uninstall**: package, container, data, log and addresses are gone.`);
}

const [command, ...args] = process.argv.slice(2);
({ built, tested, page })[command](args);
