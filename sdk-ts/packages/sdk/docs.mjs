// Makes files that a compiler can check of the code in docs/packaging: whole files as they are, recipes within a package. With
// --head it prints what stands above each recipe.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const docs = join(here, "../../../docs/packaging");
const out = join(here, "test/docs");
const head = `import * as sdk from "@hearthos/sdk";
import { mock } from "node:test";
import { TestHost } from "@hearthos/sdk/testing";
const { action, Backups, Daemons, definePackage, defaults, field, file, form, host, inputOf, LazySubContainer, Mounts, MultiHost, patterns, published, RangeInterfaceBuilder, say, smtp, task } = sdk;
type ActionInfo<Id extends string, Input extends Record<string, any>> = sdk.ActionInfo<Id, Input>;
const about = { id: "x", title: "X", license: "MIT", short: "s", long: "l", packageRepo: "a", upstreamRepo: "b", website: "c" };
const versions = [{ version: "1.0.0:0", notes: "" }];
void [action, Backups, Daemons, definePackage, defaults, field, file, form, host, inputOf, LazySubContainer, Mounts, MultiHost, patterns, published, RangeInterfaceBuilder, say, smtp, task, mock, TestHost, about, versions];
export type { ActionInfo };
`;

if (process.argv.includes("--head")) {
  process.stdout.write(head);
  process.exit(0);
}
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
let count = 0;
for (const page of ["", "recipes"].flatMap((folder) => readdirSync(join(docs, folder)).map((name) => join(folder, name))).filter((file) => file.endsWith(".md"))) {
  for (const [, kind, code] of readFileSync(join(docs, page), "utf8").matchAll(/^```ts ?(\w*)\n([\s\S]*?)^```$/gm)) {
    const file = join(out, `${page.replace(".md", "").replace("/", "-")}-${++count}.ts`);
    if (kind === "recipe") writeFileSync(file, `${head}export const pkg = definePackage({\nabout,\nversions,\n${code}});\n`);
    else if (kind === "test") writeFileSync(file, `${head}declare const pkg: ConstructorParameters<typeof TestHost>[0];\n${code}`);
    else writeFileSync(file, code);
  }
}
if (count < 6) throw new Error(`only ${count} pieces of code were found in docs/packaging`);
