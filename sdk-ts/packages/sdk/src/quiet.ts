import type { Backups } from "./backups.js";
import type { Effects } from "./effects.js";

/** How the data of a running service are made quiet for a backup. */
export interface QuietText<Context> {
  /** Has the service write nothing more, and returns when all that it wrote is in its files. */
  freeze: (context: Context) => Promise<unknown>;
  /** Has it write again. It may be called at any time, also after a freeze that failed; it throws when it finds that the data were not quiet. */
  thaw: (context: Context) => Promise<unknown>;
}

type Hook = (options: { effects: Effects }) => Promise<unknown>;
/** The export that makes backups, with what makes the data quiet meanwhile: one export, so that none can be forgotten. */
export type CreateBackup = Hook & { freeze?: Hook; thaw?: Hook };

export function quietly<Context>(
  createBackup: Hook,
  { freeze, thaw }: QuietText<Context>,
  context: (effects: Effects) => Promise<Context>,
  backups: (effects: Effects) => Promise<Backups<any> | null>,
): CreateBackup {
  return Object.assign((options: { effects: Effects }) => createBackup(options), {
    freeze: async ({ effects }: { effects: Effects }) => {
      const dumped = (await backups(effects))?.dumped ?? [];
      if (dumped.length > 0) throw new Error(`the database in ${dumped.join(", ")} is dumped by a server of its own, which the service must not run beside: leave out "quiet"`);
      await freeze(await context(effects));
    },
    thaw: async ({ effects }: { effects: Effects }) => thaw(await context(effects)),
  });
}
