import type { Codec } from "./codec.js";

export const rawCodec: Codec = { decode: (text) => text, encode: (value) => String(value) };

/** JSON, indented as it was. */
export const jsonCodec: Codec = {
  decode: (text) => JSON.parse(text) as unknown,
  encode: (value, before) => {
    const indent = before === undefined ? "  " : (/^[[{]\s*\n([ \t]+)/.exec(before)?.[1] ?? (before.includes("\n") ? "  " : ""));
    return JSON.stringify(value, null, indent) + (before === undefined || before.endsWith("\n") ? "\n" : "");
  },
};

const assignment = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s?(.*)$/;

/** Lines NAME=value. Comments and the order of lines stay. Values are written as they are, for programs that do not know quotes. */
export const envCodec: Codec = {
  decode: (text) => Object.fromEntries(text.split("\n").flatMap((line) => (assignment.exec(line) ? [[assignment.exec(line)![1]!, unquoted(assignment.exec(line)![2]!)]] : []))),
  encode: (value, before = "") => {
    const left = new Map(Object.entries(value as Record<string, unknown>).filter(([, v]) => v !== undefined && v !== null).map(([k, v]) => [k, String(v)]));
    for (const [name, text] of left) if (/[\n\r\0]/.test(text)) throw new Error(`the variable ${name} cannot hold more than a line`);
    const lines = (before === "" ? [] : before.replace(/\n$/, "").split("\n")).flatMap((line) => {
      const name = assignment.exec(line)?.[1];
      if (name === undefined) return [line];
      const text = left.get(name);
      left.delete(name);
      return text === undefined ? [] : [unquoted(assignment.exec(line)![2]!) === text ? line : `${name}=${text}`];
    });
    return [...lines, ...[...left].map(([name, text]) => `${name}=${text}`)].map((line) => `${line}\n`).join("");
  },
};

function unquoted(text: string): string {
  const trimmed = text.trim();
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(trimmed);
  if (quoted) return quoted[1]!.replace(/\\(["\\$`])/g, "$1");
  return /^'([^']*)'$/.exec(trimmed)?.[1] ?? trimmed;
}
