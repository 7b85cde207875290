import { describe, expect, test } from "vitest";
import { readPublicKey } from "./keys.js";

const key = Uint8Array.from({ length: 32 }, (_, i) => i);
const base64 = (bytes: readonly number[]) => btoa(String.fromCharCode(...bytes));
const pem = `-----BEGIN PUBLIC KEY-----\n${base64([0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00, ...key])}\n-----END PUBLIC KEY-----\n`;
const ssh = `ssh-ed25519 ${base64([0, 0, 0, 11, ...new TextEncoder().encode("ssh-ed25519"), 0, 0, 0, 32, ...key])} alex@desk`;

describe("a public key", () => {
  test.each([
    ["PEM", pem],
    ["OpenSSH", ssh],
    ["base64", base64([...key])],
    ["PEM among other text", `# mine\n${pem}`],
  ])("is read of %s", (_, text) => expect(readPublicKey(text)).toEqual(key));

  test.each([
    ["nothing", ""],
    ["too few bytes", base64([...key].slice(1))],
    ["another kind of key in PEM", pem.replace("MCow", "MCox")],
    ["another kind of OpenSSH key", ssh.replace("ssh-ed25519 ", "ssh-rsa ")],
    ["OpenSSH's name before another key", ssh.replace(/AAAAC3/, "AAAAC4")],
    ["a private key", pem.replaceAll("PUBLIC", "PRIVATE")],
    ["no base64", "ssh-ed25519 !!!!"],
  ])("is not read of %s", (_, text) => expect(readPublicKey(text)).toBeUndefined());
});
