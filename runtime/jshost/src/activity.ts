import { readdirSync, readFileSync } from "node:fs";

/**
 * Knows whether the package's code is at anything: calls of it and by it that are under way, and what else would wake it.
 * It is asked before the container of a stopped service is ended, so what it does not see is lost to the package.
 */
export class Activity {
  #open = 0;
  #last = performance.now();
  #files: "asked" | "left" = "asked";

  /**
   * Says that main begins. The SDK does not close what main watches of files when main ends; where nothing else watches
   * any, what is left of it afterwards is not listened to.
   */
  mainBegins(): void {
    this.#files = this.#watchesFiles() ? "asked" : "left";
  }

  /** Says that code beside main runs again, which may begin to watch files. */
  handlerRuns(): void {
    this.touch();
    this.#files = "asked";
  }

  /** Counts what is under way until it has ended. */
  async during<T>(run: () => Promise<T>): Promise<T> {
    this.#open++;
    try {
      return await run();
    } finally {
      this.#open--;
      this.touch();
    }
  }

  /** Says that something happened just now. */
  touch(): void {
    this.#last = performance.now();
  }

  /** For how many milliseconds nothing has happened. */
  get quiet(): number {
    return this.#open > 0 ? 0 : performance.now() - this.#last;
  }

  /** What the code is at, or would be woken by, in a few words; "" where there is nothing. */
  get busy(): string {
    if (this.#open > 0) return "a call is under way";
    const kept = process.getActiveResourcesInfo().filter((name) => !ours.test(name));
    if (kept.length > 0) return `it keeps ${[...new Set(kept)].slice(0, 8).join(", ")}`;
    return this.#watchesFiles() ? "it watches files" : "";
  }

  #watchesFiles(): boolean {
    return this.#files === "asked" && watchesFiles();
  }
}

// Sockets of the file system are those of this program, to the daemon and the agent, and its output.
const ours = /^(Pipe|TTY)/;

// The kernel lists what is watched with the descriptor: watchers that do not keep a program alive are told by nobody else.
function watchesFiles(): boolean {
  const dir = "/proc/self/fdinfo";
  return readdirSync(dir).some((fd) => {
    try {
      return /^inotify /m.test(readFileSync(`${dir}/${fd}`, "latin1"));
    } catch {
      return false; // closed meanwhile
    }
  });
}
