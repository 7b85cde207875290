// The types are those that a package meets: they are compiled by old and new compilers, as a module and as CommonJS, and what must
// not compile does not. The compilers are in a folder of their own: npm ci --prefix compilers.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const compilers = Object.keys(JSON.parse(readFileSync(at("compilers/package.json"), "utf8")).dependencies);
const missing = compilers.some((name) => !existsSync(at(`compilers/node_modules/${name}`)));
if (missing && (process.env.HEARTH_REQUIRE ?? "").split(",").includes("compilers")) throw new Error("the compilers are not there: npm ci --prefix sdk-ts/packages/sdk/compilers");
const skip = missing && "needs the compilers: npm ci --prefix sdk-ts/packages/sdk/compilers";

const types = readFileSync(at("test/types.ts"), "utf8");
const startos = `import { FileHelper, StartSdk, VersionGraph, z, type T } from "@hearthos/sdk/startos";
const shape = FileHelper.json({ base: { subpath: (path: string) => path }, subpath: "a.json" }, z.object({ port: z.number() }));
const port: number | undefined = (await0(shape.read().once()))?.port;
declare function await0<T>(promise: Promise<T>): T;
void [port, StartSdk, VersionGraph];
export type Given = T.Effects;
`;
const options = { target: "ES2022", lib: ["ES2023"], strict: true, noEmit: true, skipLibCheck: true, types: ["node"], typeRoots: [at("../../../node_modules/@types")] };

/** Compiles files with a compiler, in a folder where a package's code would find the SDK. */
function compile(compiler, compilerOptions, files) {
  mkdirSync(at(".made"), { recursive: true });
  const dir = mkdtempSync(at(".made/consumer-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    writeFileSync(join(dir, "tsconfig.json"), JSON.stringify({ compilerOptions: { ...options, ...compilerOptions }, include: ["*"] }));
    return spawnSync(process.execPath, [at(`compilers/node_modules/${compiler}/bin/tsc`), "-p", dir], { encoding: "utf8" });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

for (const compiler of compilers) {
  test(`${compiler} compiles what uses the SDK, as a module and as CommonJS, and refuses what is wrong`, { skip }, () => {
    const { status, stdout } = compile(compiler, { module: "NodeNext", moduleResolution: "NodeNext" }, { "esm.mts": types, "cjs.cts": types, "startos.mts": startos });
    assert.equal(status, 0, stdout);
  });
}

test("wrong use is told in words that name what is wrong", { skip }, () => {
  const wrong = types.replaceAll(/^ *\/\/ @ts-expect-error.*\n/gm, "");
  const { status, stdout } = compile(compilers.at(-1), { module: "NodeNext", moduleResolution: "NodeNext" }, { "wrong.mts": wrong });
  assert.notEqual(status, 0);
  const expected = types.match(/@ts-expect-error/g).length;
  const errors = stdout.match(/^\S*wrong\.mts\(\d+,\d+\): error TS\d+: .*$/gm) ?? [];
  assert.ok(errors.length >= expected, `${errors.length} errors of ${expected}\n${stdout}`);
  for (const error of errors) assert.ok(error.length < 700, error);
});

test("a compiler that does not know exports finds all three", { skip }, () => {
  const files = { "old.ts": 'import { definePackage } from "@hearthos/sdk";\nimport { StartSdk } from "@hearthos/sdk/startos";\nimport { TestHost } from "@hearthos/sdk/testing";\nvoid [definePackage, StartSdk, TestHost];\n' };
  const { status, stdout } = compile(compilers[0], { module: "CommonJS", moduleResolution: "Node10" }, files);
  assert.equal(status, 0, stdout);
});
