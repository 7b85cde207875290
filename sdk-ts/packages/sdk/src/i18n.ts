export type Parameter = string | number | Date;

/** Which of the languages there are is closest to the one of the server: the same, else of the same tongue, else none. */
export function language(available: readonly string[], wanted = process.env["LANG"] ?? ""): string | undefined {
  const name = wanted.replace(/\..*$/, "");
  const [tongue] = name.split("_");
  return available.find((one) => one === name) ?? available.find((one) => one.split("_")[0] === tongue);
}

/**
 * Texts in the language of the server: the texts of the default language with a number each, and for other languages the
 * text of each number. `${name}` in a text is a parameter.
 * @example
 * const i18n = setupI18n({ "Hello ${name}": 0 }, { de_DE: { 0: "Hallo ${name}" } }, "en_US");
 * assert.match(i18n("Hello ${name}", { name: "Ada" }), /^(Hello|Hallo) Ada$/);
 */
export function setupI18n<Dict extends Record<string, number>, Translations extends Record<string, Record<number, string>>>(
  dictionary: Dict,
  translations: Translations,
  defaultLanguage: string,
): (key: keyof Dict, parameters?: Record<string, Parameter>) => string {
  const chosen = language([defaultLanguage, ...Object.keys(translations)]);
  const texts = chosen === undefined || chosen === defaultLanguage ? undefined : translations[chosen];
  const locale = (chosen ?? defaultLanguage).replace("_", "-");
  return (key, parameters = {}) => {
    const text = texts?.[dictionary[key] as number] ?? String(key);
    return text.replace(/\$\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(parameters, name) ? written(parameters[name]!, locale) : whole));
  };
}

function written(value: Parameter, locale: string): string {
  if (value instanceof Date) return new Intl.DateTimeFormat(locale).format(value);
  return typeof value === "number" ? new Intl.NumberFormat(locale).format(value) : value;
}
