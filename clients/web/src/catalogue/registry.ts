import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { CatalogService, type GetInfoResponse, type ListPackagesResponse } from "@hearthos/api/hearth/registry/v1/catalog_pb";
import type { Listing, Version } from "@hearthos/api/hearth/registry/v1/resources_pb";
import { texts } from "../i18n.svelte.js";

const catalog = createClient(CatalogService, createConnectTransport({ baseUrl: location.origin, useBinaryFormat: true }));
/** The language of the page as registries name languages. */
const language = (): string => (texts.language === "en" ? "en_US" : `${texts.language}_${texts.language.toUpperCase()}`);

/** What the registry is. */
export const info = (): Promise<GetInfoResponse> => catalog.getInfo({ language: language() });

/** What it has of what is looked for. */
export const find = (query: string, category: string, after: string): Promise<ListPackagesResponse> =>
  catalog.listPackages({ query, category, pageToken: after, pageSize: 48, language: language() });

/** One package, of all versions or of one; undefined where the registry has none. */
export async function get(packageId: string, version: string): Promise<Listing | undefined> {
  try {
    return (await catalog.getPackage({ packageId, target: version === "" ? "" : `=${version}`, language: language() })).package;
  } catch (error) {
    if (ConnectError.from(error).code === Code.NotFound) return undefined;
    throw error;
  }
}

/** An address of the web, as a publisher gives it; whatever else it is nobody is led to. */
export const web = (address: string | undefined): string => (/^https?:\/\//i.test(address ?? "") ? address! : "");

/** A picture that this server keeps. */
export const picture = (path: string | undefined): string => (/^\/icons\/[0-9a-f]{64}$/.test(path ?? "") ? path! : "");

/** Where more is told of a version, by the keys of their labels. */
export function links(version: Version): { readonly label: string; readonly url: string }[] {
  return [
    { label: "page.about.upstream", url: web(version.upstreamRepo) },
    { label: "page.about.source", url: web(version.packageRepo) },
    { label: "page.about.site", url: web(version.marketingUrl) },
  ].filter(({ url }) => url !== "");
}
