import { texts } from "../i18n.svelte.js";

/** What the registry tells of itself. */
export interface Info {
  readonly name: string;
  readonly icon: string;
  readonly categories: readonly Named[];
}

export interface Named {
  readonly id: string;
  readonly name: string;
}

/** A file of a version. */
export interface VersionFile {
  readonly architectures: readonly string[];
  readonly url: string;
  readonly size: number;
}

/** A version of a package. */
export interface Version {
  readonly version: string;
  readonly title: string;
  readonly short: string;
  readonly long: string;
  readonly notes: string;
  readonly license: string;
  readonly icon: string;
  readonly links: readonly { readonly label: string; readonly url: string }[];
  readonly dependencies: readonly Named[];
  readonly files: readonly VersionFile[];
}

/** A package with its newest versions, and the names of the others. */
export interface Package {
  readonly id: string;
  readonly best: readonly Version[];
  readonly others: readonly string[];
}

/** A page of packages. */
export interface Found {
  readonly packages: readonly Package[];
  readonly next: string;
  readonly total: number;
}

/** The registry does not have it. */
export class Absent extends Error {}

type Row = Record<string, unknown>;
const row = (value: unknown): Row => (typeof value === "object" && value !== null ? (value as Row) : {});
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const rows = (value: unknown): Row[] => (Array.isArray(value) ? value.map(row) : []);
const strings = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : []);
/** An address of the web; whatever else it is nobody is led to. */
const web = (value: unknown): string => (/^https?:\/\//i.test(text(value)) ? text(value) : "");
/** A picture that this server keeps. */
const picture = (value: unknown): string => (/^\/icons\/[0-9a-f]{64}$/.test(text(value)) ? text(value) : "");

function version(value: Row): Version {
  const links = [
    ["page.about.upstream", web(value["upstreamRepo"])],
    ["page.about.source", web(value["packageRepo"])],
    ["page.about.site", web(value["marketingUrl"])],
  ] as const;
  return {
    version: text(value["version"]),
    title: text(value["title"]),
    short: text(value["shortDescription"]),
    long: text(value["longDescription"]),
    notes: text(value["releaseNotes"]),
    license: text(value["license"]),
    icon: picture(value["icon"]),
    links: links.filter(([, url]) => url !== "").map(([label, url]) => ({ label, url })),
    dependencies: rows(value["dependencies"]).map((d) => ({ id: text(d["packageId"]), name: text(d["title"]) || text(d["packageId"]) })),
    files: rows(value["files"]).map((f) => ({ architectures: strings(f["architectures"]), url: web(strings(f["urls"])[0]), size: Number(text(f["size"])) || 0 })),
  };
}

function listing(value: Row): Package {
  return { id: text(value["packageId"]), best: rows(value["best"]).map(version), others: rows(value["otherVersions"]).map((v) => text(v["version"])) };
}

async function ask(path: string, query: Record<string, string>): Promise<Row> {
  const language = texts.language === "en" ? "en_US" : `${texts.language}_${texts.language.toUpperCase()}`;
  const answer = await fetch(`/api/v1/${path}?${new URLSearchParams({ ...query, language }).toString()}`, { headers: { accept: "application/json" } });
  if (answer.status === 404) throw new Absent();
  if (!answer.ok) throw new TypeError(`the registry answers ${answer.status}`);
  return row(await answer.json());
}

/** What the registry is. */
export async function info(): Promise<Info> {
  const told = await ask("info", {});
  return { name: text(told["name"]), icon: picture(told["icon"]), categories: rows(told["categories"]).map((c) => ({ id: text(c["id"]), name: text(c["name"]) || text(c["id"]) })) };
}

/** What it has of what is looked for. */
export async function find(query: string, category: string, after: string): Promise<Found> {
  const told = await ask("packages", { query, category, pageToken: after, pageSize: "48" });
  return { packages: rows(told["packages"]).map(listing), next: text(told["nextPageToken"]), total: Number(told["total"]) || 0 };
}

/** One package, of all versions or of one. */
export async function get(id: string, of: string): Promise<Package> {
  const told = await ask(`packages/${encodeURIComponent(id)}`, of === "" ? {} : { target: `=${of}` });
  return listing(row(told["package"]));
}
