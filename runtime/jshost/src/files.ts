import fs, { type PathLike, type Stats } from "node:fs";
import type { FileChangeInfo } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

// How long nothing must have happened to a file before its change is told, and how long an empty one is waited for.
const quiet = 20;
const patience = 1000;

type Change = FileChangeInfo<string>;

/**
 * Makes package code see changes of files when they are whole. The original's SDK watches a file, reads it at each event, and
 * replaces one by emptying and filling it: a reader that comes between the two gets a text that cannot be parsed, and with
 * that the SDK's watch ends for good and without a word. What it misses, besides, is what changes after it has begun to read
 * and before its watch is in place. To packages this is `watch` of `fs/promises` as ever; to be called before they are loaded.
 */
export function watchWholeFiles(): void {
  const watch = fs.promises.watch as (path: PathLike, options?: unknown) => AsyncIterable<Change>;
  (fs.promises as { watch: unknown }).watch = (path: PathLike, options?: unknown) => {
    const before = look(path);
    return before?.isFile() ? whole(path, before, watch(path, options)) : watch(path, options);
  };
  syncBuiltinESMExports();
}

async function* whole(path: PathLike, before: Stats, events: AsyncIterable<Change>): AsyncGenerator<Change, void, undefined> {
  const source = events[Symbol.asyncIterator]();
  const ask = () => {
    const next = source.next();
    next.catch(() => {}); // who waits for it hears of its failure
    return next;
  };
  try {
    let next = ask(); // the watch is in place with this, not before
    let change: Change | undefined = same(before, look(path)) ? undefined : { eventType: "change", filename: null };
    for (;;) {
      if (!change) {
        const event = await next;
        if (event.done) return;
        change = event.value;
        next = ask();
      }
      for (const first = performance.now(); performance.now() - first < patience; ) {
        const still = await Promise.race([next.then(() => false), sleep(quiet, true)]);
        if (still && look(path)?.size !== 0) break;
        if (still) continue;
        const event = await next;
        if (event.done) return;
        change = event.value;
        next = ask();
      }
      yield change;
      change = undefined;
    }
  } finally {
    await source.return?.();
  }
}

function look(path: PathLike): Stats | undefined {
  try {
    return fs.statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function same(a: Stats, b: Stats | undefined): boolean {
  return a.ino === b?.ino && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.size === b.size;
}
