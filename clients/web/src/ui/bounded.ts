/** What is done with something of a package whose cost is the package's choice. */
export type Job = { readonly what: "markdown"; readonly text: string } | { readonly what: "match"; readonly regex: string; readonly value: string };

/** How long a job may take, the start of its worker included, in milliseconds. */
const patience = 3000;

/**
 * Does jobs beside the page, one after the other, each for a bounded time: a text or a pattern that is made to take for ever costs its
 * own answer, and the page goes on.
 */
class Bounded {
  #worker: Worker | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** Answers what the job comes to; it throws when the job fails or takes too long. */
  run(job: Job): Promise<unknown> {
    const turn = this.#last.then(() => this.#do(job));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  #do(job: Job): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const worker = (this.#worker ??= new Worker(new URL("./bounded.worker.ts", import.meta.url), { type: "module" }));
      const give = () => {
        worker.terminate();
        this.#worker = undefined;
        reject(new Error(`${job.what} failed or took too long`));
      };
      const timer = setTimeout(give, patience);
      worker.onerror = (event) => {
        event.preventDefault();
        clearTimeout(timer);
        give();
      };
      worker.onmessage = ({ data }: MessageEvent<unknown>) => {
        clearTimeout(timer);
        resolve(data);
      };
      worker.postMessage(job);
    });
  }
}

export const bounded = new Bounded();
