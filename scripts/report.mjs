// Reads the results of Go's and Node's tests, prints what failed with its output, why tests were skipped, what failed once more by
// the first lines that its test said, for those who see the end of a long log alone, and at last one line that counts. It fails
// when a test failed or a runner did.
import { readFileSync } from "node:fs";

const [goFile, nodeFile, goStatus, nodeStatus] = process.argv.slice(2);
const tests = new Map();
const outputs = new Map();
const packages = new Map();
const stray = [];

for (const line of readFileSync(goFile, "utf8").split("\n")) {
  if (line === "") continue;
  let event;
  try {
    event = JSON.parse(line);
  } catch {
    stray.push(line);
    continue;
  }
  const key = `${event.Package ?? event.ImportPath ?? ""} ${event.Test ?? ""}`.trim();
  if (event.Action === "output" || event.Action === "build-output") {
    outputs.set(key, (outputs.get(key) ?? "") + event.Output);
  } else if (["pass", "fail", "skip"].includes(event.Action)) {
    (event.Test ? tests : packages).set(key, event);
  } else if (event.Action === "build-fail") {
    packages.set(key, { ...event, Action: "fail" });
  }
}

const counts = { pass: 0, fail: 0, skip: 0 };
const skips = new Map();
for (const [key, event] of tests) {
  counts[event.Action]++;
  if (event.Action === "fail") console.log(`\nFAIL ${key}\n${outputs.get(key) ?? ""}`);
  if (event.Action === "skip") {
    const reason = /: (.*)\n/.exec((outputs.get(key) ?? "").replace(/^=== .*\n/gm, "")) ?? [, "no reason given"];
    const list = skips.get(reason[1]) ?? [];
    list.push(key);
    skips.set(reason[1], list);
  }
}
const alone = []; // packages that failed and none of their tests
for (const [key, event] of packages) {
  if (event.Action !== "fail") continue;
  const own = [...tests.keys()].some((t) => t.startsWith(`${key} `) && tests.get(t).Action === "fail");
  if (!own) {
    alone.push([key, event]);
    counts.fail++;
    console.log(`\nFAIL ${key}\n${outputs.get(key) ?? ""}`);
  }
}
if (stray.length > 0) console.log(stray.join("\n"));

const tap = readFileSync(nodeFile, "utf8");
for (const match of tap.matchAll(/^\s*(not ok|ok) \d+(?: - (.*?))?(?: # SKIP ?(.*))?$/gm)) {
  if (match[3] !== undefined) {
    counts.skip++;
    skips.set(match[3] || "no reason given", [...(skips.get(match[3]) ?? []), match[2]]);
  } else {
    counts[match[1] === "ok" ? "pass" : "fail"]++;
  }
}
if (nodeStatus !== "0") console.log(tap);
if ((goStatus !== "0" || nodeStatus !== "0") && counts.fail === 0) counts.fail = 1;

if (skips.size > 0) console.log("\nSkipped:");
for (const [reason, list] of skips) console.log(`  ${list.length} × ${reason}`);
if (counts.fail > 0) console.log("\nFailed:");
for (const [key, event] of [...tests, ...alone]) {
  if (event.Action !== "fail") continue;
  console.log(`  ${key}`);
  const said = (outputs.get(key) ?? "").match(/^ +\w+_test\.go:\d+: .*$/gm) ?? [];
  for (const line of said.slice(0, 4)) console.log(`    ${line.trim().slice(0, 400)}`);
}
for (const [, name] of tap.matchAll(/^\s*not ok \d+(?: - (.*?))?$/gm)) console.log(`  ${name}`);
console.log(`\n${counts.pass} passed, ${counts.fail} failed, ${counts.skip} skipped`);
process.exit(counts.fail > 0 ? 1 : 0);
