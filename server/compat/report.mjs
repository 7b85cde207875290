// What run tells about packages: report.mjs built ID FOLDER COMMIT SDKS.json, seen DIR with the events of `go test -json` on
// standard input, tested BUILT.json STEPS.json, page RESULTS_DIR. All but seen print what they make.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const print = (value) => console.log(JSON.stringify(value, null, 2));
const steps = ["install", "configure", "healthy", "restart", "backup", "stop", "uninstall"];

// built is a package as it was built: which sources, which SDK.
function built([id, folder, commit, sdks]) {
  print({ id, repository: folder, commit, ...read(sdks) });
}

// seen shows what a test prints and leaves what it saw of each package in DIR/ID.steps.json: each step is a subtest of the
// package's, and what a failed one printed first is its error.
async function seen([dir]) {
  const packages = {};
  const printed = {};
  let failed = false;
  for await (const line of createInterface({ input: process.stdin })) {
    let event;
    try {
      event = JSON.parse(line);
    } catch {
      console.error(line);
      continue;
    }
    if (event.Action === "output" || event.Action === "build-output") process.stderr.write(event.Output);
    if (event.Action === "fail" || event.Action === "build-fail") failed = true;
    const [, id, step] = (event.Test ?? "").split("/");
    if (!id || !step) continue;
    const name = `${id}/${step}`;
    packages[id] ??= {};
    if (event.Action === "output") (printed[name] ??= []).push(event.Output);
    if (event.Action === "pass") packages[id][step] = { result: "ok" };
    if (event.Action === "skip") packages[id][step] = { result: said(printed[name]) };
    if (event.Action === "fail") packages[id][step] = { result: "failed", error: said(printed[name]) };
  }
  for (const name of readdirSync(dir)) if (name.endsWith(".steps.json")) rmSync(join(dir, name));
  for (const [id, results] of Object.entries(packages)) writeFileSync(join(dir, `${id}.steps.json`), JSON.stringify(results));
  process.exitCode = failed ? 1 : 0;
}

// said is the first thing that a test printed itself, without where it did.
function said(output = []) {
  const line = output.map((text) => /^ +[\w.]+\.go:\d+: (.*)/.exec(text)).find((found) => found)?.[1] ?? "";
  return line.replace(/\s+/g, " ").trim().slice(0, 300) || "no reason given";
}

// tested adds what the test saw. A step that the test did not come to is not one that passed.
function tested([package_, seen]) {
  const results = existsSync(seen) ? read(seen) : {};
  print({
    ...read(package_),
    date: new Date().toISOString().slice(0, 10),
    steps: Object.fromEntries(steps.map((name) => [name, results[name] ?? { result: "not reached" }])),
  });
}

function page([dir]) {
  const results = readdirSync(dir).sort().map((name) => read(join(dir, name)));
  const row = (cells) => `| ${cells.join(" | ")} |`;
  const commit = (c) => (/^[0-9a-f]{40}$/.test(c) ? c.slice(0, 12) : c);
  const name = (r) => r.used.replace(/^ours-([^-]+)-.*/, "@hearthos/sdk/startos $1");
  const sdk = (r) => (r.types === "yes" ? name(r) : `${name(r)}, without its type check`);
  const errors = results.flatMap((r) =>
    steps.filter((s) => r.steps[s]?.error).map((s) => `- **${r.id}**, SDK ${name(r)}, ${s}: \`${r.steps[s].error.replaceAll("`", "'")}\``),
  );
  const others = results.flatMap((r) =>
    (r.repositories ?? []).map((d) => {
      const instead = d.used === d.pinned || d.pinned === "-" ? "" : `, in place of ${commit(d.pinned)}, which its checkout does not have`;
      return `- **${r.id}**, SDK ${name(r)}: ${d.repository} at ${commit(d.used)}${instead}`;
    }),
  );
  const section = (title, lines) => (lines.length ? `\n\n${title}\n\n${lines.join("\n")}` : "");
  console.log(`# Compatibility

Public StartOS packages that were built from their unmodified sources and run on a real server; with @hearthos/sdk/startos
the import is changed in them, and nothing else. The page is written by
\`make compat\`, which does so; do not edit it. How they are built, and what takes the place of their images, is in
[server/compat](../server/compat/README.md).

${row(["package", "sources", "commit", "tested", "SDK pinned", "SDK used", ...steps])}
${row(Array(6 + steps.length).fill("---"))}
${results.map((r) => row([r.id, r.repository, commit(r.commit), r.date, r.pinned, sdk(r), ...steps.map((s) => r.steps[s]?.result ?? "not tried")])).join("\n")}

- **install**: the file is verified, the container is made, the package's init runs.
- **configure**: its actions and tasks; "nothing to do" where it asks for none.
- **healthy**: it runs, all its health checks succeed, and what it serves answers over HTTPS.
- **restart**: it is stopped and started, is healthy again, and what it kept before is there.
- **backup**: its own backup writes into a folder, and it is healthy again; "not tried" in runs from before there was one.
- **stop**: it is stopped, and its page answers no more.
- **uninstall**: package, container, data, log and addresses are gone.${section("## Errors", errors)}${section("## What they take from other repositories", others)}`);
}

const [command, ...args] = process.argv.slice(2);
await { built, seen, tested, page }[command](args);
