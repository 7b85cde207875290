/// <reference no-default-lib="true"/>
/// <reference lib="es2023" />
/// <reference lib="webworker" />

/**
 * Keeps the files of the page, so that it opens while the server is away and says so, and so that a page of an earlier version
 * still has its parts when the server has moved on. It keeps the files that were built with it and nothing else, ever: calls,
 * transfers and whatever else the server answers go by it untouched.
 *
 * Each version has its own cache. A new worker waits until no page of the earlier version is open; a page that is loaded anew
 * comes from the server all the same, since pages are asked of the server first.
 */
const self = globalThis as unknown as ServiceWorkerGlobalScope;

interface Built {
  /** Another for each other content. */
  readonly version: string;
  /** Paths of the files, the page itself first. */
  readonly files: readonly string[];
  /** First parts of the paths that are the page. */
  readonly pages: readonly string[];
}

/** Written here when the page is built. */
declare const BUILT: Built;
const built = BUILT;

const prefix = "hearth-page-";
const name = prefix + built.version;
const index = built.files[0]!;
const files = new Set(built.files);
/** How long the server may take for the page before the kept one is shown, in milliseconds. */
const patience = 8000;

self.addEventListener("install", (event) => event.waitUntil(keep()));
self.addEventListener("activate", (event) => event.waitUntil(forget()));
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) return;
  if (event.request.mode === "navigate") {
    if (built.pages.includes(url.pathname.split("/")[1] ?? "")) event.respondWith(page(event.request));
  } else if (files.has(url.pathname)) {
    event.respondWith(kept(url.pathname, event.request));
  }
});

async function keep(): Promise<void> {
  const cache = await caches.open(name);
  await cache.addAll(built.files.map((path) => new Request(path, { credentials: "omit", cache: path === index ? "no-cache" : "default" })));
}

async function forget(): Promise<void> {
  for (const other of await caches.keys()) if (other.startsWith(prefix) && other !== name) await caches.delete(other);
}

async function kept(path: string, request: Request): Promise<Response> {
  return (await caches.match(path, { cacheName: name })) ?? fetch(request);
}

async function page(request: Request): Promise<Response> {
  try {
    return await fetch(request, { signal: AbortSignal.timeout(patience) });
  } catch (error) {
    const here = await caches.match(index, { cacheName: name });
    if (here === undefined) throw error;
    return here;
  }
}

export {};
