/** Signs that turn the direction of text around: with them a name can be read as another than it is. */
const turning = /[\u202A-\u202E\u2066-\u2069]/gu;

/** A text of somebody else as it may be shown: what would turn it around is seen as a sign that is none. */
export function plain(text: string): string {
  return text.replace(turning, "\uFFFD");
}

/** Makes all texts plain that a message of the contract has, however deep. It writes into the message. */
export function plainly(message: object): void {
  for (const [name, value] of Object.entries(message)) {
    if (typeof value === "string") {
      if (value.search(turning) >= 0) (message as Record<string, unknown>)[name] = plain(value);
    } else if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
      plainly(value as object);
    }
  }
}
