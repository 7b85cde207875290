import type { Effects } from "./effects.js";
import { FullProgressTracker } from "./progress.js";
import { asError } from "./values.js";
import type { ExtendedVersion } from "./versions/version.js";
import type { VersionRange } from "./versions/range.js";

/** Why a package's init runs: it is new, has data from before, has data of a backup, or (null) only a new container. */
export type InitKind = "install" | "update" | "restore" | null;
export type InitFn<Kind extends InitKind = InitKind> = (effects: Effects, kind: Kind, progress: FullProgressTracker) => Promise<void | null | undefined>;
export interface InitScript<Kind extends InitKind = InitKind> {
  init(effects: Effects, kind: Kind, progress?: FullProgressTracker): Promise<void>;
}
export type InitScriptOrFn<Kind extends InitKind = InitKind> = InitScript<Kind> | InitFn<Kind>;

/** What comes after: a version, a range of them, or (null) nothing. */
export type Target = ExtendedVersion | VersionRange | null;
export type UninitFn = (effects: Effects, target: Target) => Promise<void | null | undefined>;
export interface UninitScript {
  uninit(effects: Effects, target: Target): Promise<void>;
}
export type UninitScriptOrFn = UninitScript | UninitFn;

export type Init = (options: { effects: Effects; kind: InitKind }) => Promise<unknown>;
export type Uninit = (options: { effects: Effects; target: Target }) => Promise<unknown>;

/**
 * The init of a package: its steps one after another. A step that read something with `const` is repeated, alone, when
 * that changes; repetitions of a step wait for each other.
 * @example
 * const init = setupInit(async (effects, kind) => {
 *   if (kind === "install") await volume.writeFile("hello", "world");
 * });
 * await init({ effects, kind: "install" });
 * assert.equal(await volume.readFile("hello", "utf8"), "world");
 */
export function setupInit(...steps: InitScriptOrFn[]): Init {
  return async ({ effects, kind }) => {
    const progress = new FullProgressTracker((state) => effects.setInitProgress({ progress: state }));
    for (const [index, step] of steps.entries()) await firstRun(effects, `init_${index}`, step, kind, progress);
    progress.complete();
    await progress.sync();
  };
}

async function firstRun(effects: Effects, name: string, step: InitScriptOrFn, kind: InitKind, progress: FullProgressTracker): Promise<void> {
  const run = async (kind: InitKind, progress: FullProgressTracker) => {
    const child = effects.child(name);
    let asked = false;
    child.constRetry = () => {
      if (asked) return;
      asked = true;
      last = last
        .then(() => (effects.isInContext ? run(null, new FullProgressTracker()) : undefined))
        .catch((err: unknown) => console.error(`a step of the init could not be repeated: ${asError(err).message}`));
    };
    await (typeof step === "function" ? step(child, kind, progress) : step.init(child, kind, progress));
  };
  let last: Promise<void> = Promise.resolve();
  const first = run(kind, progress);
  last = first.catch(() => {});
  await first;
}

/** A step of the init. */
export function setupOnInit(step: InitScriptOrFn): InitScript {
  return typeof step === "function"
    ? { init: async (effects, kind, progress) => void (await step(effects, kind, progress ?? new FullProgressTracker())) }
    : step;
}

/**
 * The uninit of a package: its steps one after another.
 * @example
 * const uninit = setupUninit(async (effects, target) => {
 *   if (target === null) console.log("nothing comes after");
 * });
 */
export function setupUninit(...steps: UninitScriptOrFn[]): Uninit {
  return async ({ effects, target }) => {
    for (const step of steps) await (typeof step === "function" ? step(effects, target) : step.uninit(effects, target));
  };
}

/** A step of the uninit. */
export function setupOnUninit(step: UninitScriptOrFn): UninitScript {
  return typeof step === "function" ? { uninit: async (effects, target) => void (await step(effects, target)) } : step;
}
