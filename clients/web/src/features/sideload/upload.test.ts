import { expect, test, vi } from "vitest";

vi.mock("../../live/index.svelte.js", () => ({ unreachable: () => false }));
const { upload, UploadRefused } = await import("./upload.js");

/** A server that keeps what it is sent, and loses connections when told to. */
function server(size: number, lose: (call: number) => boolean = () => false) {
  let have = 0;
  let call = 0;
  const ranges: string[] = [];
  const answer: typeof fetch = async (_path, init) => {
    if (lose(++call)) {
      if (init?.method === "PUT") have += 1 << 20; // some of it has arrived
      throw new TypeError("the connection is lost");
    }
    if (init?.method === "PUT") {
      ranges.push(new Headers(init.headers).get("content-range")!);
      have += (init.body as Blob).size;
    }
    return new Response(null, { status: 204, headers: { "upload-offset": String(have), "upload-length": String(size) } });
  };
  return { fetch: answer, ranges, have: () => have };
}
const file = new Blob([new Uint8Array(9 << 20)]);
const rest = { path: "/transfer/t", signal: new AbortController().signal, pause: () => Promise.resolve() };

test("a file goes in parts", async () => {
  const { fetch, ranges } = server(file.size);
  const seen: number[] = [];
  await upload({ ...rest, file, fetch, onProgress: (done) => seen.push(done) });
  expect(ranges).toEqual(["bytes 0-4194303/9437184", "bytes 4194304-8388607/9437184", "bytes 8388608-9437183/9437184"]);
  expect(seen.at(-1)).toBe(file.size);
});

test("after a break it goes on where it was", async () => {
  const { fetch, ranges, have } = server(file.size, (call) => call === 2);
  const lost: boolean[] = [];
  await upload({ ...rest, file, fetch, onProgress: () => undefined, onLost: (now) => lost.push(now) });
  expect(ranges[0]).toBe("bytes 1048576-5242879/9437184");
  expect(have()).toBe(file.size);
  expect(lost).toContain(true);
  expect(lost.at(-1)).toBe(false);
});

test("a refusal ends it", async () => {
  const refuse: typeof fetch = () => Promise.resolve(new Response(null, { status: 404 }));
  await expect(upload({ ...rest, file, fetch: refuse, onProgress: () => undefined })).rejects.toBeInstanceOf(UploadRefused);
});
