import type { Buildable, Effects } from "./effects.js";
import { asError } from "./values.js";
import type * as W from "./wire.js";

/** A number that the service publishes about itself. */
export interface MetricText<Context> {
  /** The name that people see. */
  name: string;
  /** What is counted, as in "MB"; at most 16 letters. */
  unit?: string;
  /** What it is now; null where it cannot be told. */
  read: (context: Context) => number | null | Promise<number | null>;
}
export type MetricTexts<Context> = Record<string, MetricText<Context>>;

const every = 15_000;
const patience = 10_000;

/** What runs, and what it publishes about itself from its start to its end. On a host without the effect nothing is read. */
export function publishing<Context>(inner: Buildable, effects: Effects, texts: MetricTexts<Context>, context: () => Promise<Context>): Buildable {
  return {
    async build() {
      const running = await inner.build();
      const told = effects.setMetrics ? publish(effects, texts, context) : null;
      return {
        ...running,
        async term() {
          told?.end();
          await running.term();
        },
      };
    },
  };
}

function publish<Context>(effects: Effects, texts: MetricTexts<Context>, context: () => Promise<Context>): { end(): void } {
  let ended = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let said = "";
  const round = async (): Promise<void> => {
    const wrong: string[] = [];
    const metrics: W.Metric[] = [];
    for (const [id, { name, unit, read }] of Object.entries(texts)) {
      try {
        const value = await within(patience, async () => read(await context()));
        if (value !== null) metrics.push({ id, name, unit: unit ?? null, value: finite(value) });
      } catch (err) {
        wrong.push(`${id}: ${asError(err).message}`);
      }
    }
    // The same words every few seconds help nobody.
    if (wrong.join("\n") !== said && (said = wrong.join("\n")) !== "") console.error(`metrics cannot be read: ${said}`);
    if (!ended) await effects.setMetrics!({ metrics });
  };
  const again = (): void => {
    void round()
      .catch((err: unknown) => {
        if (!ended) console.error(`metrics cannot be published: ${asError(err).message}`);
      })
      .finally(() => {
        if (!ended) timer = setTimeout(again, every);
      });
  };
  again();
  return {
    end() {
      ended = true;
      clearTimeout(timer);
    },
  };
}

function finite(value: number): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new Error(`${String(value)} is no number`);
  return value;
}

async function within<T>(ms: number, run: () => Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it took longer than ${ms / 1000} s`)), ms);
  });
  return Promise.race([run(), late]).finally(() => clearTimeout(timer));
}
