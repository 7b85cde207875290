import type { Pattern } from "./form/spec.js";
import * as regexes from "./regexes.js";

const whole = (name: Exclude<keyof typeof regexes, "ComposableRegex">, description: string): Pattern => ({ regex: regexes[name].matches(), description });

/** Patterns for text fields, each with what people read when a text does not fit. */
export const ipv4 = whole("ipv4", "Must be a valid IPv4 address");
export const ipv6 = whole("ipv6", "Must be a valid IPv6 address");
export const hostname = whole("hostname", "Must be a valid hostname");
export const localHostname = whole("localHostname", "Must be a valid \".local\" hostname");
export const domain = whole("domain", "Must be a valid domain name");
export const url = whole("url", "Must be a valid URL");
export const localUrl = whole("localUrl", "Must be a valid \".local\" URL");
export const ascii = whole("ascii", "May only contain ASCII characters");
export const email = whole("email", "Must be a valid email address");
export const emailWithName = whole("emailWithName", "Must be a valid email address, optionally with a name");
export const base64 = whole("base64", "May only contain base64 characters");
