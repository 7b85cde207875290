import { parse, type Route } from "./routes.js";

class Router {
  #path = $state(location.pathname);
  #search = $state(location.search);
  readonly #route = $derived(parse(this.#path));

  constructor() {
    addEventListener("popstate", () => this.#read());
    document.addEventListener("click", (event) => this.#click(event));
  }

  get route(): Route {
    return this.#route;
  }

  get path(): string {
    return this.#path;
  }

  get query(): URLSearchParams {
    return new URLSearchParams(this.#search);
  }

  /** Goes to a page of ours. */
  go(path: string, options: { replace?: boolean } = {}): void {
    if (options.replace) history.replaceState(null, "", path);
    else history.pushState(null, "", path);
    this.#read();
    if (!options.replace) scrollTo(0, 0);
  }

  #read(): void {
    this.#path = location.pathname;
    this.#search = location.search;
  }

  /** Links within the page change it without loading it anew; all else is the browser's. */
  #click(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (link === null || link.target !== "" || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (parse(link.pathname).page === undefined) return;
    event.preventDefault();
    if (link.pathname + link.search !== location.pathname + location.search) this.go(link.pathname + link.search);
  }
}

export const router = new Router();
