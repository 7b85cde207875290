/** An end of a range: a number, which itself lies in it or not. */
export interface End {
  at: number;
  exclusive: boolean;
}
/** A range of numbers; null is no end. */
export interface Range {
  min: End | null;
  max: End | null;
}

const form = /^\s*([[(])\s*(\*|[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?)\s*,\s*(\*|[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?)\s*([\])])\s*$/;

/**
 * Reads a range such as "[0,65535]" or "(0,*)"; what is none has no ends.
 * @example
 * rangeOf("(0,5]") // { min: { at: 0, exclusive: true }, max: { at: 5, exclusive: false } }
 */
export function rangeOf(text: unknown): Range {
  const found = typeof text === "string" && text.length < 256 ? form.exec(text) : null;
  if (!found) return { min: null, max: null };
  const end = (number: string, exclusive: boolean): End | null => {
    const at = Number(number);
    return number === "*" || !Number.isFinite(at) ? null : { at, exclusive };
  };
  return { min: end(found[2]!, found[1] === "("), max: end(found[3]!, found[4] === ")") };
}
