import type { Effects } from "@hearthos/sdk/effects";
import { isRecord } from "@hearthos/sdk/values";
import { VersionRange } from "@hearthos/sdk/versions/range";
import { ExtendedVersion } from "@hearthos/sdk/versions/version";
import { versionThen, type Procedure } from "./manifest.js";
import type { Procedures } from "./procedures.js";
import { valueOf } from "./script.js";

/**
 * Brings the data from the version of others to the package's own, or back. Answers whether they are configured afterwards;
 * null where nothing was to be done. Of several procedures the first counts whose range has the other version.
 */
export async function migrate(effects: Effects, procedures: Procedures, way: "from" | "to", other: string): Promise<{ configured: boolean } | null> {
  const { manifest } = procedures;
  if (other === manifest.version) return null;
  const then = versionThen(other);
  const procedure = first(manifest.migrations[way], then);
  if (!procedure) return null;
  const answer = valueOf(await procedures.run(effects, withWay(procedure, way), { way: ["migration"], name: `migrate ${way} ${then}`, input: then }));
  return { configured: !isRecord(answer) || answer["configured"] !== false };
}

function first(list: [string, Procedure][], version: string): Procedure | undefined {
  const extended = ExtendedVersion.parseEmver(version);
  return list.find(([range]) => {
    try {
      return VersionRange.parseEmver(range).satisfiedBy(extended);
    } catch {
      return false;
    }
  })?.[1];
}

// A script is told the way by its arguments; one whose manifest gives none hears it all the same.
function withWay(procedure: Procedure, way: "from" | "to"): Procedure {
  return procedure.type === "script" && procedure.args.length === 0 ? { ...procedure, args: [way] } : procedure;
}
