import { execFile } from "node:child_process";

/** An address of a service, as its server tells it. */
export interface InstalledAddress {
  /** The id of the interface it belongs to. */
  interface: string;
  url: string;
  /** What the name in it is: ipv4, ipv6, mdns, localhost, private-domain and so on. */
  kind: string;
  ssl: boolean;
}

/** How a health check of a service does, as its server tells it. */
export interface InstalledHealth {
  id: string;
  name: string;
  result: string;
  message: string;
}

interface Tested {
  id: string;
  version: string;
  command: readonly string[];
  addresses: readonly InstalledAddress[];
}

const variable = "HEARTH_TESTED";

/**
 * The package that `hearth package test --server` has installed, for the tests in the folder checks. TLS is checked against the
 * server's own root.
 * @example
 * process.env.HEARTH_TESTED = JSON.stringify({ id: "page", version: "1.0.0:0", command: ["hearth"], addresses: [{ interface: "ui", url: "https://localhost:62000", kind: "localhost", ssl: true }] });
 * const page = new InstalledPackage();
 * assert.equal(page.address("ui"), "https://localhost:62000");
 * assert.throws(() => page.address("api"), /no address of "api"/);
 */
export class InstalledPackage {
  readonly #tested: Tested;

  /** Reads what the command says in its environment. */
  constructor() {
    const text = process.env[variable];
    if (text === undefined) throw new Error("these tests are run by `hearth package test --server`");
    this.#tested = JSON.parse(text) as Tested;
  }

  /** The package's id. */
  get id(): string {
    return this.#tested.id;
  }

  /** The version that is installed. */
  get version(): string {
    return this.#tested.version;
  }

  /** Where the service was reached when it had become well, first the address that is best reached from here. */
  get addresses(): readonly InstalledAddress[] {
    return this.#tested.addresses;
  }

  /** The address of an interface that is best reached from here, by TLS where it has that. */
  address(id: string): string {
    const all = this.addresses.filter((address) => address.interface === id);
    const best = all.find(({ ssl }) => ssl) ?? all[0];
    if (!best) throw new Error(`there is no address of "${id}"`);
    return best.url;
  }

  /** Asks an interface that speaks HTTP for a path. */
  fetch(id: string, path = "/", init?: RequestInit): Promise<Response> {
    return fetch(new URL(path, this.address(id)), init);
  }

  /** Runs an action, and answers its result; null for none. */
  async action(id: string, input?: Record<string, unknown>): Promise<any> {
    const [result = null] = await this.hearth("package", "action", "run", this.id, id, ...(input ? ["--input", JSON.stringify(input)] : []));
    return result;
  }

  /** How its health checks do now. */
  async health(): Promise<InstalledHealth[]> {
    return (await this.hearth("package", "health", this.id)) as InstalledHealth[];
  }

  /** Waits until something holds, which may fail until then. */
  async until(holds: () => unknown, limit = 60_000): Promise<void> {
    for (const end = Date.now() + limit; ; ) {
      let why: unknown = new Error("it does not hold");
      try {
        if (await holds()) return;
      } catch (error) {
        why = error;
      }
      if (Date.now() > end) throw new Error(`not within ${limit / 1000} s`, { cause: why });
      await new Promise((done) => setTimeout(done, 200));
    }
  }

  /** Calls `hearth` with the server of the test, and answers the rows it prints. It fails as the command does. */
  hearth(...args: string[]): Promise<any[]> {
    const [program = "hearth", ...rest] = this.#tested.command;
    return new Promise((done, fail) => {
      execFile(program, [...rest, ...args, "--output", "json"], { maxBuffer: 16 << 20 }, (error, out, said) => {
        if (error) fail(new Error(said.trim() || error.message));
        else done(out.split("\n").filter(Boolean).map((line) => JSON.parse(line) as unknown));
      });
    });
  }
}
