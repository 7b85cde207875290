/// <reference types="vite/client" />
import { chosenKey, failures, loaders, localeOf, type Language } from "./languages.js";
import { numbers } from "./ui/formats.js";
import { plain } from "./ui/plain.js";

class Texts {
  language = $state<Language>("en");
  #texts = $state.raw<Record<string, string>>({});
  #whole = false;

  /** How numbers and times are written: as in the browser's region, where that speaks the language. */
  get locale(): string {
    return localeOf(this.language, navigator.languages);
  }

  /** Loads a language and says everything in it from then on. */
  async use(language: Language): Promise<void> {
    const [texts, more] = await Promise.all([loaders[language](), this.#whole ? failures[language]() : undefined]);
    this.#texts = { ...texts.default, ...more?.default };
    this.language = language;
    document.documentElement.lang = language;
  }

  /** Loads the words for what can fail, too. Until they are there the server's own stand for them. */
  async complete(): Promise<void> {
    this.#whole = true;
    const { language } = this;
    const { default: more } = await failures[language]();
    if (language === this.language) this.#texts = { ...this.#texts, ...more };
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

/** Says the text for a number, which is Count in it: `key.one`, `key.other`, or another form that the language has for it. */
export function counted(key: string, count: number, values: Record<string, unknown> = {}): string {
  const form = count === 1 ? "one" : texts.has(`${key}.few`) ? new Intl.PluralRules(texts.language).select(count) : "other";
  return texts.text(texts.has(`${key}.${form}`) ? `${key}.${form}` : `${key}.other`, { ...values, Count: numbers(texts.locale).format(count) });
}

/** Takes a language for this device. */
export async function chooseLanguage(language: Language): Promise<void> {
  localStorage.setItem(chosenKey, language);
  await texts.use(language);
}

/** A text of a package: plain, or one for each language, of which the person's counts, else English, else the first. */
export function localized(value: unknown): string {
  if (typeof value === "string") return plain(value);
  if (typeof value !== "object" || value === null) return "";
  const entries = Object.entries(value as Record<string, unknown>).filter((e): e is [string, string] => typeof e[1] === "string");
  const own = entries.find(([tag]) => tag.startsWith(texts.language)) ?? entries.find(([tag]) => tag.startsWith("en")) ?? entries[0];
  return plain(own?.[1] ?? "");
}
