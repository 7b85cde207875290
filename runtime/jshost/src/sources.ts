import { readFileSync, statSync } from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";

// A bundle comes with a map of its places that was made with it; some are of many megabytes.
const maxMap = 4 << 20;
// Messages are in the text too, and may be of any length.
const maxPlaces = 64;

// The map that was read last, for as long as nobody wants the memory: errors seldom come alone.
let last: { of: string; map: WeakRef<SourceMap> } | undefined;

/**
 * Says the places that a stack has in a bundle as those in the sources of the package: "package.ts:12:5". Those of a bundle
 * without a map, or with one that cannot be read, stay as they are. Node does it by itself with --enable-source-maps, for seven
 * megabytes in each service whether or not anything fails.
 */
export function traced(stack: string): string {
  let places = 0;
  return stack.replace(/(\/[^\s():]+\.[cm]?js):(\d+):(\d+)/g, (place, file: string, line: string, column: string) => {
    if (++places > maxPlaces) return place;
    try {
      const found = mapOf(file)?.findEntry(Number(line) - 1, Number(column) - 1);
      if (!found || !("originalSource" in found) || !found.originalSource) return place;
      return `${found.originalSource.replace(/^(\.\.?\/)+/, "")}:${found.originalLine + 1}:${found.originalColumn + 1}`;
    } catch {
      return place;
    }
  });
}

function mapOf(file: string): SourceMap | undefined {
  const kept = last?.of === file ? last.map.deref() : undefined;
  if (kept) return kept;
  const size = statSync(`${file}.map`, { throwIfNoEntry: false })?.size;
  if (size === undefined || size > maxMap) return undefined;
  const map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, "utf8")) as SourceMapPayload);
  last = { of: file, map: new WeakRef(map) };
  return map;
}
