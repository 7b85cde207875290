/** The languages there are, as the server names them. */
export const languages = { en: "English", de: "Deutsch", es: "Español", fr: "Français", pl: "Polski" } as const;
export type Language = keyof typeof languages;
type Loaders = Record<Language, () => Promise<{ default: Record<string, string> }>>;

/** What loads all that is said in a language, but for what is said of failures. */
export const loaders: Loaders = {
  en: () => import("virtual:texts/en"),
  de: () => import("virtual:texts/de"),
  es: () => import("virtual:texts/es"),
  fr: () => import("virtual:texts/fr"),
  pl: () => import("virtual:texts/pl"),
};

/** What loads the words for each way in which something can fail, and what helps: nothing of it is needed at the beginning. */
export const failures: Loaders = {
  en: () => import("virtual:texts/en/failures"),
  de: () => import("virtual:texts/de/failures"),
  es: () => import("virtual:texts/es/failures"),
  fr: () => import("virtual:texts/fr/failures"),
  pl: () => import("virtual:texts/pl/failures"),
};

export const chosenKey = "hearth-language";

/** The first of the languages that people asked for, as in "de-CH", which there is. */
export function negotiate(asked: readonly (string | null | undefined)[]): Language {
  for (const tag of asked) {
    const code = tag?.split(/[-_]/)[0]?.toLowerCase();
    if (code !== undefined && Object.hasOwn(languages, code)) return code as Language;
  }
  return "en";
}

/** The first of a browser's tags that are of a language, as "en-GB", else the language itself. */
export function localeOf(language: Language, asked: readonly string[]): string {
  return asked.find((tag) => tag.split("-")[0]?.toLowerCase() === language) ?? language;
}

/** Begins with what the person chose on this device, else what the browser asks for. */
export function firstLanguage(): Language {
  return negotiate([localStorage.getItem(chosenKey), ...navigator.languages]);
}
