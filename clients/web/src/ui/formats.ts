/** Formats by what they are made with: to make one takes longer than to use it a hundred times. There are a few for each language. */
const made = new Map<string, unknown>();

function once<F>(name: string, locale: string, options: object, make: () => F): F {
  const key = `${name} ${locale} ${JSON.stringify(options)}`;
  const known = made.get(key) as F | undefined;
  if (known !== undefined) return known;
  const format = make();
  made.set(key, format);
  return format;
}

/** How numbers are written. */
export const numbers = (locale: string, options: Intl.NumberFormatOptions = {}): Intl.NumberFormat => once("number", locale, options, () => new Intl.NumberFormat(locale, options));

/** How times are written. */
export const times = (locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat => once("time", locale, options, () => new Intl.DateTimeFormat(locale, options));

/** How long ago something is, in words. */
export const distances = (locale: string): Intl.RelativeTimeFormat => once("distance", locale, {}, () => new Intl.RelativeTimeFormat(locale, { numeric: "auto" }));

/** The order of names, in which "a2" stands before "a10". */
export const order = (locale: string): Intl.Collator => once("order", locale, {}, () => new Intl.Collator(locale, { numeric: true }));
