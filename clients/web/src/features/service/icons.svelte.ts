import { Document_Kind, type Document } from "@hearthos/api/hearth/packages/v1/packages_pb";
import { SvelteMap } from "svelte/reactivity";
import { hearth } from "../../live/index.svelte.js";
import { whenIdle } from "../../ui/idle.js";

const urls = new SvelteMap<string, string>();
const asked = new Set<string>();

/** Makes a picture of what a package brings as its icon. It is shown as an image, which runs nothing and loads nothing. */
export function pictureOf(icon: Document | undefined): string {
  if (icon === undefined || icon.content.length === 0 || !icon.mediaType.startsWith("image/")) return "";
  return URL.createObjectURL(new Blob([new Uint8Array(icon.content)], { type: icon.mediaType }));
}

const waiting: (() => Promise<void>)[] = [];
let asking = 0;
const together = 4; // each of them is read where the file lies

/** Asks for the next icons that wait. */
function ask(): void {
  while (asking < together) {
    const next = waiting.shift();
    if (next === undefined) return;
    asking++;
    void next().finally(() => {
      asking--;
      ask();
    });
  }
}

/** Reads an icon when it is its turn. */
function read(key: string, document: () => Promise<{ document?: Document }>, failed = () => {}): void {
  asked.add(key);
  waiting.push(() => document().then(({ document: icon }) => void urls.set(key, pictureOf(icon))).catch(failed)); // the letter stands in for it
  void whenIdle().then(ask);
}

/** The icon of an installed package; it is the file's, so it is read once for each file. Empty until it is there. */
export function iconOf(pkg: string, artifact: string): string {
  const key = `${pkg}/${artifact}`;
  if (artifact !== "" && !asked.has(key)) read(key, () => hearth.packages.getPackageDocument({ id: pkg, document: Document_Kind.ICON }), () => void asked.delete(key));
  return urls.get(key) ?? "";
}

/** The icon of what a registry lists, which the server reads out of the signed file. Empty until it is there. */
export function iconOfOffer(registry: string, pkg: string, version: string): string {
  const key = `${registry}/${pkg}@${version}`;
  if (version !== "" && !asked.has(key)) read(key, () => hearth.registries.getOfferDocument({ registry, packageId: pkg, version, document: Document_Kind.ICON }));
  return urls.get(key) ?? "";
}
