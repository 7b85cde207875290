import { unreachable } from "../../live/index.svelte.js";

/** How far a file has arrived, of how much. */
export type OnProgress = (done: number, total: number) => void;

export interface Uploading {
  readonly file: Blob;
  readonly path: string;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
  /** Told when the connection is away, and when it is back. */
  readonly onLost?: (lost: boolean) => void;
  readonly fetch?: typeof fetch;
  readonly pause?: (milliseconds: number) => Promise<void>;
}

const part = 4 << 20;
const longestPause = 15_000;

/** The server does not have the upload any more, or does not take it. */
export class UploadRefused extends Error {}

/**
 * Sends a file to the path of its ticket, in parts. What has arrived stays: after a break it asks how much that is and goes
 * on there, as often as it takes, until the signal ends it.
 */
export async function upload(options: Uploading): Promise<void> {
  const { file, signal, onProgress, onLost } = options;
  const pause = options.pause ?? ((ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)));
  let patience = 500;
  let offset: number | undefined;
  for (;;) {
    signal.throwIfAborted();
    try {
      offset ??= await arrived(options);
      onLost?.(false);
      onProgress(offset, file.size);
      if (offset >= file.size) return;
      offset = await send(options, offset);
      patience = 500;
    } catch (error) {
      if (error instanceof UploadRefused || signal.aborted) throw error;
      if (!(error instanceof TypeError) && !unreachable(error)) throw error;
      onLost?.(true);
      offset = undefined;
      await pause(patience);
      patience = Math.min(patience * 2, longestPause);
    }
  }
}

/** How many bytes the server has. */
async function arrived({ path, signal, fetch: get = fetch }: Uploading): Promise<number> {
  return offsetOf(await get(path, { method: "HEAD", signal }));
}

async function send({ file, path, signal, fetch: put = fetch }: Uploading, from: number): Promise<number> {
  const end = Math.min(from + part, file.size);
  const headers = { "Content-Range": `bytes ${from}-${end - 1}/${file.size}`, "Content-Type": "application/octet-stream" };
  return offsetOf(await put(path, { method: "PUT", signal, headers, body: file.slice(from, end) }));
}

function offsetOf(answer: Response): number {
  if (answer.status >= 500) throw new TypeError(`the server answered ${answer.status}`);
  if (!answer.ok) throw new UploadRefused(`the server answered ${answer.status}`);
  const offset = Number(answer.headers.get("upload-offset"));
  if (!Number.isSafeInteger(offset)) throw new TypeError("the server did not say how much has arrived");
  return offset;
}
