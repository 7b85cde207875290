import type { Words } from "@hearthos/api/hearth/meta/v1/meta_pb";
import { t, texts } from "./i18n.svelte.js";

/** Something the server says: a key of the catalogue without its part, its values, and those of them that are texts themselves. */
interface Said {
  readonly key: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly spoken?: Readonly<Record<string, Words>>;
}

/** Says what the server says in the person's language where there are words for it: English is the server's own. */
export function inWords({ key, metadata, spoken = {} }: Said, own: string): string {
  if (own === "" || texts.language === "en" || !texts.has(key)) return own;
  const said = Object.entries(spoken).map(([name, words]) => [name, inWords(words, metadata[name] ?? "")]);
  return t(key, { ...metadata, ...Object.fromEntries(said) });
}
