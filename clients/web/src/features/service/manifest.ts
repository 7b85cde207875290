import { isObject } from "../../forms/spec.js";
import { localized, t } from "../../i18n.svelte.js";

/** What people should know of a package before it is theirs, as its manifest says it. */
export interface Manifest {
  readonly description: string;
  readonly releaseNotes: string;
  readonly license: string;
  readonly links: readonly { readonly key: string; readonly url: string }[];
  readonly volumes: readonly string[];
  readonly dependencies: readonly { readonly id: string; readonly title: string; readonly optional: boolean; readonly description: string }[];
  readonly devices: readonly string[];
  /** What it may do beyond an ordinary service: keys of texts. */
  readonly abilities: readonly string[];
  /** What it opens connections to beyond the server: "internet", "lan", networks or names. */
  readonly reaches: readonly string[];
  readonly ram: number;
}

const strings = (value: unknown): string[] => (Array.isArray(value) ? value.filter((v): v is string => typeof v === "string") : []);
const text = (value: unknown): string => (typeof value === "string" ? value : "");

const reach: Readonly<Record<string, string>> = { internet: "page.reach.internet", lan: "page.reach.lan" };

/** What a target of the network is for people. */
export const reached = (target: string): string => (reach[target] ? t(reach[target]) : target);

/** Reads a manifest as the server keeps it. It is a package's: what is not as it should be counts as absent. */
export function readManifest(raw: Uint8Array): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(raw));
  } catch {
    value = undefined;
  }
  const m = isObject(value) ? value : {};
  const of = (name: string) => (isObject(m[name]) ? m[name] : {});
  const links = [
    ["page.about.upstream", m["upstreamRepo"]],
    ["page.about.source", m["packageRepo"]],
    ["page.about.site", m["marketingUrl"]],
    ["page.about.donate", m["donationUrl"]],
    ["page.about.docs", strings(m["docsUrls"])[0]],
  ] as const;
  const hardware = of("hardwareRequirements");
  const network = of("hearth")["network"];
  return {
    description: localized(of("description")["long"]) || localized(of("description")["short"]),
    releaseNotes: localized(m["releaseNotes"]),
    license: text(m["license"]),
    links: links.flatMap(([key, url]) => (typeof url === "string" && /^https?:\/\//i.test(url) ? [{ key, url }] : [])),
    volumes: strings(m["volumes"]),
    dependencies: Object.entries(of("dependencies")).map(([id, about]) => ({
      id,
      title: isObject(about) && isObject(about["metadata"]) ? localized(about["metadata"]["title"]) || id : id,
      optional: isObject(about) && about["optional"] === true,
      description: isObject(about) ? localized(about["description"]) : "",
    })),
    devices: (Array.isArray(hardware["device"]) ? hardware["device"] : []).filter(isObject).map((d) => text(d["description"]) || text(d["patternDescription"]) || text(d["class"])),
    abilities: [
      ...(m["hardwareAcceleration"] === true ? ["page.ability.hardware"] : []),
      ...(m["userspaceFilesystems"] === true ? ["page.ability.filesystems"] : []),
      ...(m["virtualNetworking"] === true ? ["page.ability.networking"] : []),
    ],
    reaches: Array.isArray(network) ? strings(network).filter((target) => target in reach || /[./]/.test(target)) : Object.keys(reach),
    ram: typeof hardware["ram"] === "number" ? hardware["ram"] : 0,
  };
}
