import type { Pattern } from "./form/spec.js";
import * as regexes from "./regexes.js";

const whole = (name: Exclude<keyof typeof regexes, "ComposableRegex">, description: string): Pattern => ({ regex: regexes[name].matches(), description });

// Patterns for text fields, each with what people read when a text does not fit.

/**
 * An address of IPv4.
 * @example
 * const pattern = new RegExp(patterns.ipv4.regex);
 * assert.ok(pattern.test("192.168.1.1"));
 * assert.ok(!pattern.test("example.org"));
 */
export const ipv4 = whole("ipv4", "Must be a valid IPv4 address");
/**
 * An address of IPv6.
 * @example
 * const pattern = new RegExp(patterns.ipv6.regex);
 * assert.ok(pattern.test("fe80::1"));
 * assert.ok(!pattern.test("192.168.1.1"));
 */
export const ipv6 = whole("ipv6", "Must be a valid IPv6 address");
/**
 * A name of a host, as in DNS.
 * @example
 * const pattern = new RegExp(patterns.hostname.regex);
 * assert.ok(pattern.test("db.example.org"));
 * assert.ok(!pattern.test("-a"));
 */
export const hostname = whole("hostname", "Must be a valid hostname");
/**
 * A name in .local.
 * @example
 * const pattern = new RegExp(patterns.localHostname.regex);
 * assert.ok(pattern.test("page.local"));
 * assert.ok(!pattern.test("page.org"));
 */
export const localHostname = whole("localHostname", "Must be a valid \".local\" hostname");
/**
 * A domain, with a dot at least.
 * @example
 * const pattern = new RegExp(patterns.domain.regex);
 * assert.ok(pattern.test("example.org"));
 * assert.ok(!pattern.test("localhost"));
 */
export const domain = whole("domain", "Must be a valid domain name");
/**
 * A URL.
 * @example
 * const pattern = new RegExp(patterns.url.regex);
 * assert.ok(pattern.test("https://example.org/a?b=c"));
 * assert.ok(!pattern.test("example"));
 */
export const url = whole("url", "Must be a valid URL");
/**
 * A URL whose host is in .local.
 * @example
 * const pattern = new RegExp(patterns.localUrl.regex);
 * assert.ok(pattern.test("https://page.local/"));
 * assert.ok(!pattern.test("https://example.org/"));
 */
export const localUrl = whole("localUrl", "Must be a valid \".local\" URL");
/**
 * Text of ASCII alone.
 * @example
 * const pattern = new RegExp(patterns.ascii.regex);
 * assert.ok(pattern.test("plain"));
 * assert.ok(!pattern.test("näh"));
 */
export const ascii = whole("ascii", "May only contain ASCII characters");
/**
 * An address of e-mail.
 * @example
 * const pattern = new RegExp(patterns.email.regex);
 * assert.ok(pattern.test("ada@example.org"));
 * assert.ok(!pattern.test("ada"));
 */
export const email = whole("email", "Must be a valid email address");
/**
 * An address of e-mail, or a name with one.
 * @example
 * const pattern = new RegExp(patterns.emailWithName.regex);
 * assert.ok(pattern.test("Ada <ada@example.org>"));
 * assert.ok(!pattern.test("Ada"));
 */
export const emailWithName = whole("emailWithName", "Must be a valid email address, optionally with a name");
/**
 * Base64.
 * @example
 * const pattern = new RegExp(patterns.base64.regex);
 * assert.ok(pattern.test("SGVsbG8="));
 * assert.ok(!pattern.test("?"));
 */
export const base64 = whole("base64", "May only contain base64 characters");
