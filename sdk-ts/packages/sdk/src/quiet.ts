import type { Backups } from "./backups.js";
import type { Effects } from "./effects.js";

/** How the data of a running service are made quiet for a backup. */
export interface QuietText<Context> {
  /** Has the service write nothing more, and returns when all that it wrote is in its files. */
  freeze: (context: Context) => Promise<unknown>;
  /** Has it write again. It may be called at any time, also after a freeze that failed; it throws when it finds that the data were not quiet. */
  thaw: (context: Context) => Promise<unknown>;
}

type Hook<Answer = unknown> = (options: { effects: Effects }) => Promise<Answer>;
/** What makes a backup of the volumes, or of a snapshot of them that lies in another folder. */
type Make = (options: { effects: Effects; volumes?: string }) => Promise<unknown>;
/**
 * The export that makes backups, with what makes the data quiet meanwhile: one export, so that none can be forgotten. A
 * freeze tells with `apart` that the backup can be made of a snapshot.
 */
export type CreateBackup = Make & { freeze?: Hook<{ apart: boolean }>; thaw?: Hook };

export function quietly<Context>(
  createBackup: Make,
  { freeze, thaw }: QuietText<Context>,
  context: (effects: Effects) => Promise<Context>,
  backups: (effects: Effects) => Promise<Backups<any> | null>,
): CreateBackup {
  return Object.assign<Make, Pick<CreateBackup, "freeze" | "thaw">>((options) => createBackup(options), {
    freeze: async ({ effects }) => {
      const made = await backups(effects);
      const dumped = made?.dumped ?? [];
      if (dumped.length > 0) throw new Error(`the database in ${dumped.join(", ")} is dumped by a server of its own, which the service must not run beside: leave out "quiet"`);
      await freeze(await context(effects));
      // What the package does before and after by itself is about its volumes, which the service must not write to then.
      return { apart: made === null || made.hooked === false };
    },
    thaw: async ({ effects }) => thaw(await context(effects)),
  });
}
