import type { DeclaredManifest } from "./declared.js";
import type { VersionGraph } from "./versions/graph.js";
import type * as W from "./wire.js";

export type Arch = "x86_64" | "aarch64" | "riscv64";
export interface ImageOptions {
  source: Exclude<W.ImageSource, "packed">;
  /** The architectures it is there for; all if not said. */
  arch?: Arch[];
  /** The one that runs on machines of the others; null is none. */
  emulateMissingAs?: Arch | null;
  nvidiaContainer?: boolean;
}
/** What a packager says of a package. */
export interface ManifestOptions {
  readonly id: string;
  readonly title: string;
  readonly license: string;
  readonly packageRepo: string;
  readonly upstreamRepo: string;
  readonly marketingUrl: string;
  readonly donationUrl: string | null;
  readonly description: { readonly short: W.LocaleString; readonly long: W.LocaleString };
  osVersion?: string;
  readonly images: Record<string, ImageOptions>;
  readonly volumes: string[];
  readonly dependencies: Record<string, W.DepInfo>;
  readonly hardwareRequirements?: { readonly device?: W.DeviceFilter[]; readonly ram?: number | null };
  readonly hardwareAcceleration?: boolean;
  readonly userspaceFilesystems?: boolean;
  readonly virtualNetworking?: boolean;
  readonly plugins?: W.PluginId[];
  /** What StartOS does not know, and ignores. */
  readonly hearth?: DeclaredManifest;
}

/** The version of StartOS whose calls and effects these packages need at least. */
export const OSVersion = "0.4.0-beta.10";
/** The version of the original's SDK whose ways packages of this one keep to. */
export const sdkVersion = "2.0.9";
const everyArch: Arch[] = ["aarch64", "x86_64", "riscv64"];

function image({ source, arch = everyArch, emulateMissingAs, nvidiaContainer = false }: ImageOptions): W.ImageConfig {
  const first = arch.includes("x86_64") ? "x86_64" : (arch[0] ?? null);
  return { source, arch, emulateMissingAs: emulateMissingAs === undefined ? first : emulateMissingAs, nvidiaContainer };
}

/**
 * Makes the manifest that stands in the package, of what a packager says and of the versions.
 * @example
 * const versions = VersionGraph.of({ current: VersionInfo.of({ version: "1.0.0:0", releaseNotes: "First", migrations: {} }), other: [] });
 * const manifest = buildManifest(versions, {
 *   id: "my-page", title: "My page", license: "MIT", packageRepo: "https://example.org", upstreamRepo: "https://example.org", marketingUrl: "https://example.org", donationUrl: null,
 *   description: { short: "A page", long: "A page." }, images: { web: { source: { dockerTag: "nginx:1.29" } } }, volumes: ["main"], dependencies: {},
 * });
 * assert.equal(manifest.version, "1.0.0:0");
 */
export function buildManifest<M extends ManifestOptions>(versions: VersionGraph<any>, manifest: M): M & W.Manifest {
  const images = Object.fromEntries(Object.entries(manifest.images).map(([id, options]) => [id, image(options)]));
  const bound = Object.values(images).filter(({ emulateMissingAs }) => emulateMissingAs === null);
  const { version, releaseNotes, satisfies } = versions.current.options;
  return {
    ...manifest,
    gitHash: null,
    osVersion: manifest.osVersion ?? OSVersion,
    sdkVersion,
    version,
    releaseNotes,
    satisfies,
    canMigrateTo: versions.canMigrateTo().toString(),
    canMigrateFrom: versions.canMigrateFrom().toString(),
    images,
    hardwareRequirements: {
      device: manifest.hardwareRequirements?.device ?? [],
      ram: manifest.hardwareRequirements?.ram ?? null,
      arch: bound.length === 0 ? null : everyArch.filter((arch) => bound.every((one) => one.arch.includes(arch))),
    },
    hardwareAcceleration: manifest.hardwareAcceleration ?? false,
    userspaceFilesystems: manifest.userspaceFilesystems ?? false,
    virtualNetworking: manifest.virtualNetworking ?? false,
    plugins: manifest.plugins ?? [],
  } as unknown as M & W.Manifest;
}
