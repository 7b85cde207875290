/** What stands before an Ed25519 key in the form that PEM has it in. */
const spki = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/** What stands before it in OpenSSH's: the name of its kind, and its length. */
const openssh = [0, 0, 0, 11, ...new TextEncoder().encode("ssh-ed25519"), 0, 0, 0, 32];

function decode(text: string): number[] {
  try {
    return [...atob(text.replace(/\s+/g, ""))].map((c) => c.charCodeAt(0));
  } catch {
    return [];
  }
}

/** The Ed25519 key in what people paste: PEM, a line of OpenSSH, or the 32 bytes in base64. Nothing where there is none. */
export function readPublicKey(text: string): Uint8Array | undefined {
  const pem = /-----BEGIN PUBLIC KEY-----([^-]*)-----END PUBLIC KEY-----/.exec(text)?.[1];
  const line = /^\s*ssh-ed25519\s+(\S+)/.exec(text)?.[1];
  const raw = decode(pem ?? line ?? text);
  const before = pem !== undefined ? spki : line !== undefined ? openssh : [];
  if (raw.length !== before.length + 32 || before.some((byte, i) => raw[i] !== byte)) return undefined;
  return new Uint8Array(raw.slice(before.length));
}
