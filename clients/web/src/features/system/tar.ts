/** A file of an archive. */
export interface Entry {
  readonly name: string;
  readonly data: Uint8Array;
}

const block = 512;
const bytes = new TextEncoder();

/** The head of a file in the form of POSIX (ustar), with its sum of all bytes, its own place counted as spaces. */
function head({ name, data }: Entry, seconds: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(block);
  const put = (at: number, text: string) => out.set(bytes.encode(text), at);
  const octal = (at: number, length: number, value: number) => put(at, value.toString(8).padStart(length - 1, "0"));
  put(0, name);
  octal(100, 8, 0o600);
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, data.length);
  octal(136, 12, seconds);
  put(148, "        ");
  put(156, "0");
  put(257, "ustar");
  put(263, "00");
  put(148, `${out.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0")}\0 `);
  return out;
}

/** Whether a name may be in an archive that somebody unpacks: beneath where that is done, and short enough for the form. */
const fits = (name: string): boolean => /^[\w.-]+(\/[\w.-]+)*$/.test(name) && name.length < 100 && !name.split("/").includes("..");

/** An archive of files, for a Blob. What has a name that could lead elsewhere is left out. */
export function tar(entries: readonly Entry[], at: Date): Uint8Array<ArrayBuffer>[] {
  const seconds = Math.floor(at.getTime() / 1000);
  const parts = entries.filter(({ name }) => fits(name)).flatMap((entry) => {
    const padded = new Uint8Array(Math.ceil(entry.data.length / block) * block);
    padded.set(entry.data);
    return [head(entry, seconds), padded];
  });
  return [...parts, new Uint8Array(2 * block)];
}
