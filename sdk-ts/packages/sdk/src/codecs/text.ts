import type { Codec } from "./codec.js";

export const rawCodec: Codec = { decode: (text) => text, encode: (value) => String(value) };

const assignment = /^(\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s?)(.*)$/;
const name = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/**
 * Lines NAME=value. Comments and the order of lines stay. Values are written as they are, for programs that do not know quotes;
 * one that would be read as another is written in quotes.
 */
export const envCodec: Codec = {
  decode: (text) => Object.fromEntries(text.split("\n").flatMap((line) => {
    const [, , variable, value] = assignment.exec(line) ?? [];
    return variable === undefined ? [] : [[variable, unquoted(value!)]];
  })),
  encode: (value, before = "") => {
    const left = new Map(Object.entries(value as Record<string, unknown>).filter(([, v]) => v !== undefined && v !== null).map(([k, v]) => [k, String(v)]));
    for (const [variable, text] of left) {
      if (!name.test(variable)) throw new Error(`${JSON.stringify(variable)} is no name of a variable: letters, digits and underscores`);
      if (/[\n\r\0]/.test(text)) throw new Error(`the variable ${variable} cannot hold more than a line`);
    }
    const lines = (before === "" ? [] : before.replace(/\n$/, "").split("\n")).flatMap((line) => {
      const [, head, variable, value] = assignment.exec(line) ?? [];
      if (variable === undefined) return [line];
      const text = left.get(variable);
      left.delete(variable);
      return text === undefined ? [] : [unquoted(value!) === text ? line : head + written(text)];
    });
    return [...lines, ...[...left].map(([variable, text]) => `${variable}=${written(text)}`)].map((line) => `${line}\n`).join("");
  },
};

const written = (text: string) => (unquoted(text) === text ? text : `"${text.replace(/["\\$`]/g, "\\$&")}"`);

function unquoted(text: string): string {
  const trimmed = text.trim();
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(trimmed);
  if (quoted) return quoted[1]!.replace(/\\(["\\$`])/g, "$1");
  return /^'([^']*)'$/.exec(trimmed)?.[1] ?? trimmed;
}
