const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** A new lower-case ULID, with which a request may be made again without being carried out twice. */
export function newId(now = Date.now()): string {
  let time = "";
  for (let left = now, i = 0; i < 10; i++, left = Math.floor(left / 32)) time = alphabet[left % 32] + time;
  return time + [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => alphabet[byte % 32]).join("");
}
