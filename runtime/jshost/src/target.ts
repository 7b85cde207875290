import { ExtendedVersion, VersionRange } from "@start9labs/start-sdk/node_modules/@start9labs/start-core/exver/index.js";

/** What a package's uninit gets to know about what comes after. */
export type Target = ExtendedVersion | VersionRange | null;

/**
 * Reads the target of an exit: a version, else a range of versions, else (empty) nothing, which means uninstall. The
 * objects are those of the SDK, because package code asks for their methods.
 * @example parseTarget("1.2.0:0") instanceof ExtendedVersion
 */
export function parseTarget(target: string): Target {
  if (target === "") return null;
  try {
    return ExtendedVersion.parse(target);
  } catch {
    return VersionRange.parse(target).normalize();
  }
}
