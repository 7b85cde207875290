import type { Random } from "./spec.js";

/** The characters that a charset names: "a-z,0-9,-" are two ranges and a dash. */
export function charactersOf(charset: string): string {
  const parts: string[] = [];
  // A part is a range, or a single character; a comma that stands where a character must is itself one.
  for (let i = 0; i < charset.length; ) {
    const range = charset.slice(i, i + 3);
    const length = /^.-.$/su.test(range) && (i + 3 >= charset.length || charset[i + 3] === ",") ? 3 : 1;
    parts.push(charset.slice(i, i + length));
    i += length;
    if (charset[i] === ",") i++;
  }
  const set = new Set<string>();
  for (const part of parts) {
    const from = part.charCodeAt(0);
    const to = part.length === 3 ? part.charCodeAt(2) : from;
    for (let code = Math.min(from, to); code <= Math.max(from, to); code++) set.add(String.fromCharCode(code));
  }
  return [...set].join("");
}

/** Draws a random text. Each character is as likely as each other: numbers that would favour some are thrown away. */
export function random(how: Random, fill = (bytes: Uint32Array<ArrayBuffer>) => crypto.getRandomValues(bytes)): string {
  const characters = charactersOf(how.charset);
  if (characters === "") return "";
  const fair = Math.floor(2 ** 32 / characters.length) * characters.length;
  let out = "";
  const length = Math.min(Math.max(0, how.len), 4096);
  while (out.length < length) {
    const [number] = fill(new Uint32Array(1));
    if (number! < fair) out += characters[number! % characters.length];
  }
  return out;
}
