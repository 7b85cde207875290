/** Between the text of a file and its value. `before` is the text that is replaced: what can be kept of it is. */
export interface Codec {
  decode(text: string): unknown;
  encode(value: unknown, before?: string): string;
}
