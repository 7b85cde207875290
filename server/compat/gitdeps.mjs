// What npm cannot get in a project whose package.json names repositories of git: gitdeps.mjs aside DIR,
// back DIR.
//
// aside keeps package.json and its lock under other names and leaves ones without the repositories, which `npm ci` takes;
// what those repositories themselves want is added, of the versions locked. It prints a line NAME REPOSITORY COMMIT REF for
// each of them. back puts the kept files back.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const write = (path, value) => writeFileSync(path, JSON.stringify(value, null, 2) + "\n");
const files = ["package.json", "package-lock.json"];

// repository of a dependency's wish or of what it was resolved to: owner, name, and what is behind the #.
function repository(spec) {
  const found = /^(?:github:|git\+(?:https|ssh):\/\/(?:git@)?github\.com\/)[\w.-]+\/([\w.-]+?)(?:\.git)?(?:#(.*))?$/.exec(spec ?? "");
  return found && { name: found[1], ref: found[2] ?? "" };
}

function aside(dir) {
  const project = read(join(dir, files[0]));
  const lock = existsSync(join(dir, files[1])) ? read(join(dir, files[1])) : { packages: { "": {} } };
  const wishes = { ...project.dependencies };
  const locked = Object.entries(lock.packages).filter(([, entry]) => repository(entry.resolved));
  for (const [path, entry] of locked) {
    Object.assign(wishes, Object.fromEntries(Object.entries(entry.dependencies ?? {}).filter(([name]) => !(name in wishes))));
    for (const inner of Object.keys(lock.packages)) if (inner === path || inner.startsWith(`${path}/`)) delete lock.packages[inner];
  }
  const repositories = Object.entries(wishes).filter(([, wish]) => repository(wish));
  for (const [name, wish] of repositories) {
    const pin = locked.find(([path]) => path === `node_modules/${name}`)?.[1].resolved;
    console.log([name, repository(wish).name, repository(pin)?.ref || "-", repository(wish).ref || "HEAD"].join(" "));
  }
  const dependencies = Object.fromEntries(
    Object.entries(wishes)
      .filter(([, wish]) => !repository(wish))
      .map(([name, wish]) => [name, name in project.dependencies ? wish : (lock.packages[`node_modules/${name}`]?.version ?? wish)]),
  );
  for (const name of files) if (existsSync(join(dir, name))) renameSync(join(dir, name), join(dir, `${name}.whole`));
  write(join(dir, files[0]), { ...project, dependencies });
  if (existsSync(join(dir, `${files[1]}.whole`))) {
    lock.packages[""] = { ...lock.packages[""], dependencies };
    write(join(dir, files[1]), lock);
  }
}

function back(dir) {
  for (const name of files) if (existsSync(join(dir, `${name}.whole`))) renameSync(join(dir, `${name}.whole`), join(dir, name));
}

const [command, ...args] = process.argv.slice(2);
({ aside, back })[command](...args);
