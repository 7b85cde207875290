/** Regular expressions for texts, to be put together. */
export class ComposableRegex {
  readonly regex: RegExp;
  constructor(regex: RegExp | string) {
    this.regex = typeof regex === "string" ? new RegExp(regex) : regex;
  }
  /** The source, as a part of another. */
  asExpr(): string {
    return `(?:${this.regex.source})`;
  }
  /** The source, for a whole text. */
  matches(): string {
    return `^${this.asExpr()}$`;
  }
  /** The source, for a part of a text. */
  contains(): string {
    return this.asExpr();
  }
}

const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
const name = `(?:${label}\\.)*${label}`;
const octet = "(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)";
const v4 = `${octet}(?:\\.${octet}){3}`;
const group = "[0-9a-fA-F]{1,4}";
const v6 = `(?:(?:${group}:){7}${group}|(?:${group}:){1,7}:|(?:${group}:){1,6}:${group}|(?:${group}:){1,5}(?::${group}){1,2}|(?:${group}:){1,4}(?::${group}){1,3}|(?:${group}:){1,3}(?::${group}){1,4}|(?:${group}:){1,2}(?::${group}){1,5}|${group}:(?::${group}){1,6}|:(?:(?::${group}){1,7}|:))`;
const mail = `[^\\s@<>]+@${name}\\.[a-zA-Z]{2,}`;
const rest = "(?::\\d{1,5})?(?:[/?#]\\S*)?";

export const ipv4 = new ComposableRegex(v4);
export const ipv6 = new ComposableRegex(v6);
export const hostname = new ComposableRegex(name);
export const localHostname = new ComposableRegex(`${label}\\.local`);
export const domain = new ComposableRegex(`(?:${label}\\.)+[a-zA-Z]{2,}`);
export const url = new ComposableRegex(`[a-zA-Z][a-zA-Z0-9+.-]*://(?:${name}|${v4}|\\[${v6}\\])${rest}`);
export const localUrl = new ComposableRegex(`https?://(?:${name}\\.)?${label}\\.local${rest}`);
export const ascii = new ComposableRegex("[\\x20-\\x7e]*");
export const email = new ComposableRegex(mail);
export const emailWithName = new ComposableRegex(`(?:${mail}|[^<>]*<${mail}>)`);
export const base64 = new ComposableRegex("(?:[a-zA-Z0-9+/]{4})*(?:[a-zA-Z0-9+/]{2}==|[a-zA-Z0-9+/]{3}=)?");
