import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Effects } from "./effects.js";
import type { QuietHooks } from "./quiet.js";
import type { Target } from "./target.js";

/** An action as a package exports it. */
export interface Action {
  getInput(options: { effects: Effects; prefill: unknown }): Promise<unknown>;
  run(options: { effects: Effects; input: unknown }): Promise<unknown>;
}

/** What a running main can do. */
export interface Running {
  term(): Promise<unknown>;
}

/** The six exports of a StartOS package; the manifest is not used here. */
export interface Package {
  init(options: { effects: Effects; kind: string | null }): Promise<unknown>;
  main(options: { effects: Effects; started: (onTerm?: () => unknown) => Promise<null> }): Promise<{ build(): Promise<Running> }>;
  uninit(options: { effects: Effects; target: Target }): Promise<unknown>;
  /** With it the code that makes the data quiet meanwhile, where the package has it. */
  createBackup?: ((options: { effects: Effects; volumes?: string }) => Promise<unknown>) & Partial<QuietHooks>;
  actions: { get(id: string): Action | undefined };
}

// Beside this program, and loaded by nobody else; the bundler leaves alone what it cannot see.
const legacyModule: string = "./legacy.mjs";

/**
 * Loads the package's JavaScript: index.js, a CommonJS module; ESM is taken too. A package that was made for StartOS 0.3 has
 * other code, which another module runs. A load that threw can be repeated.
 */
export async function loadPackage(dir: string): Promise<Package> {
  const file = join(dir, "index.js");
  if (!existsSync(file)) {
    if (!existsSync(join(dir, "embassyManifest.json"))) throw new Error(`the package has no ${file}`);
    const { legacyPackage } = (await import(legacyModule)) as typeof import("./legacy/index.js");
    return legacyPackage(dir);
  }
  const module = await importAny(file);
  const found = "init" in module || !isObject(module["default"]) ? module : module["default"];
  for (const name of ["init", "main", "uninit"]) {
    if (typeof found[name] !== "function") throw new Error(`the package exports no function "${name}"`);
  }
  if (!isObject(found["actions"]) || typeof found["actions"]["get"] !== "function") {
    throw new Error('the package exports no "actions"');
  }
  return found as unknown as Package;
}

async function importAny(file: string): Promise<Record<string, unknown>> {
  const require = createRequire(pathToFileURL(file));
  try {
    return require(file) as Record<string, unknown>;
  } catch (err) {
    // What a module with a top-level await, or any ESM in an older Node, answers.
    const code = (err as NodeJS.ErrnoException | null)?.code;
    if (code !== "ERR_REQUIRE_ASYNC_MODULE" && code !== "ERR_REQUIRE_ESM") throw err;
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
