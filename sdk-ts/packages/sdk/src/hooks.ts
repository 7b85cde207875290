import type { Effects } from "./effects.js";
import type { PhaseHandle } from "./progress.js";

declare const forBackups: unique symbol;
/** The effects within a backup. */
export type BackupEffects = Effects & { [forBackups]: "Backups" };
/** Code of a package that runs before or after its volumes are copied. */
export type BackupHook = (effects: BackupEffects, progress: PhaseHandle) => Promise<void>;
