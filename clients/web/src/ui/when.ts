import { timestampDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import { texts } from "../i18n.svelte.js";
import { distances, numbers, order, times } from "./formats.js";

/** A time, as people of the language write it; today without the day. */
export function when(at: Timestamp | undefined): string {
  if (at === undefined) return "";
  const date = timestampDate(at);
  const today = date.toDateString() === new Date().toDateString();
  return times(texts.locale, today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" }).format(date);
}

const units: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/** How long ago a time is, in words. */
export function ago(at: Timestamp | undefined, now = Date.now()): string {
  if (at === undefined) return "";
  const seconds = (timestampDate(at).getTime() - now) / 1000;
  const [unit, length] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  return distances(texts.locale).format(Math.trunc(seconds / length), unit);
}

const sizes = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** A number of bytes in the units of the command line, with the number as people write it. */
export function bytes(count: bigint | number): string {
  let value = Number(count);
  let unit = 0;
  // What would be written as 1024 of a unit is one of the next.
  while (value >= 1023.5 && unit < sizes.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${numbers(texts.locale, { maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0 }).format(value)}\u00a0${sizes[unit]!}`;
}

/** A number of bytes in a second, as people write it. */
export const rate = (count: number): string => `${bytes(count)}/s`;

/** A share, 1 being all, as people write it. */
export function percent(share: number): string {
  return numbers(texts.locale, { style: "percent", maximumFractionDigits: share < 0.1 && share > 0 ? 1 : 0 }).format(share);
}

/**
 * Makes what the first picture writes numbers with, one format at each step: whoever goes through it while there is nothing else to do
 * has them when cards are built, and can be heard between two.
 */
export function* warm(): Generator<unknown> {
  yield order(texts.language);
  for (const share of [0.5, 0.05]) yield percent(share);
  for (const count of [2 ** 22, 2 ** 25]) yield bytes(count);
  yield numbers(texts.locale).format(1);
}
