import type { Words } from "@hearthos/api/hearth/meta/v1/meta_pb";
import { t, texts } from "./i18n.svelte.js";
import { numbers } from "./ui/formats.js";

/** Something the server says: a key of the catalogue without its part, its values, and those of them that are texts themselves. */
interface Said {
  readonly key: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly spoken?: Readonly<Record<string, Words>>;
}

/** A number of bytes as the server writes it, as in "6.9 GiB". */
const size = /^(\d+(?:\.\d+)?) ([KMGT]?i?B)$/;
const asWritten = (value: string): string =>
  value.replace(size, (_, count: string, unit: string) => `${numbers(texts.locale, { maximumFractionDigits: 1 }).format(Number(count))}\u00a0${unit}`);

/** Says what the server says in the person's language where there are words for it: English is the server's own. */
export function inWords({ key, metadata, spoken = {} }: Said, own: string): string {
  if (own === "" || texts.language === "en" || !texts.has(key)) return own;
  const said = Object.entries(spoken).map(([name, words]) => [name, inWords(words, metadata[name] ?? "")]);
  const written = Object.entries(metadata).map(([name, value]) => [name, asWritten(value)]);
  return t(key, { ...Object.fromEntries(written), ...Object.fromEntries(said) });
}
