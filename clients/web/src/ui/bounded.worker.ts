import type { Job } from "./bounded.js";
import { read } from "./reader.js";

/** Does what packages can make long: whoever asked ends this worker when it takes too long. */
addEventListener("message", ({ data: job }: MessageEvent<Job>) => {
  postMessage(job.what === "markdown" ? read(job.text) : new RegExp(job.regex).test(job.value));
});
