/// <reference types="vite/client" />

/** The languages there are, as the server names them. */
export const languages = { en: "English", de: "Deutsch", es: "Español", fr: "Français", pl: "Polski" } as const;
export type Language = keyof typeof languages;

const loaders: Record<Language, () => Promise<{ default: Record<string, string> }>> = {
  en: () => import("virtual:texts/en"),
  de: () => import("virtual:texts/de"),
  es: () => import("virtual:texts/es"),
  fr: () => import("virtual:texts/fr"),
  pl: () => import("virtual:texts/pl"),
};

const chosenKey = "hearth-language";

/** The first of the languages that people asked for, as in "de-CH", which there is. */
export function negotiate(asked: readonly (string | null | undefined)[]): Language {
  for (const tag of asked) {
    const code = tag?.split(/[-_]/)[0]?.toLowerCase();
    if (code !== undefined && code in languages) return code as Language;
  }
  return "en";
}

class Texts {
  language = $state<Language>("en");
  #texts = $state.raw<Record<string, string>>({});

  /** Loads a language and says everything in it from then on. */
  async use(language: Language): Promise<void> {
    const { default: texts } = await loaders[language]();
    this.#texts = texts;
    this.language = language;
    document.documentElement.lang = language;
  }

  /** Whether there is a text. */
  has(key: string): boolean {
    return Object.hasOwn(this.#texts, key);
  }

  /** A text with its values filled in: {{.Name}} is the value Name. A text that is missing is its key. */
  text(key: string, values: Record<string, unknown> = {}): string {
    const text = Object.hasOwn(this.#texts, key) ? this.#texts[key]! : key;
    return text.replace(/\{\{\s*\.(\w+)\s*\}\}/g, (_, name: string) => String(values[name] ?? ""));
  }
}

export const texts = new Texts();

/** Says a text of the catalogue in the person's language. */
export function t(key: string, values?: Record<string, unknown>): string {
  return texts.text(key, values);
}

/** Says one of two texts, `key.one` or `key.other`, with the number as Count. */
export function counted(key: string, count: number, values: Record<string, unknown> = {}): string {
  return texts.text(`${key}.${count === 1 ? "one" : "other"}`, { ...values, Count: count.toLocaleString(texts.language) });
}

/** Begins with what the person chose on this device, else what the browser asks for. */
export function firstLanguage(): Language {
  return negotiate([localStorage.getItem(chosenKey), ...navigator.languages]);
}

/** Takes a language for this device. */
export async function chooseLanguage(language: Language): Promise<void> {
  localStorage.setItem(chosenKey, language);
  await texts.use(language);
}

/** A text of a package: plain, or one for each language, of which the person's counts, else English, else the first. */
export function localized(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return "";
  const entries = Object.entries(value as Record<string, unknown>).filter((e): e is [string, string] => typeof e[1] === "string");
  const own = entries.find(([tag]) => tag.startsWith(texts.language)) ?? entries.find(([tag]) => tag.startsWith("en")) ?? entries[0];
  return own?.[1] ?? "";
}
