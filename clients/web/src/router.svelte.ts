import { parse, type Route } from "./routes.js";
import { followLinks } from "./ui/links.js";

class Router {
  #path = $state(location.pathname);
  #search = $state(location.search);
  readonly #route = $derived(parse(this.#path));

  constructor() {
    addEventListener("popstate", () => this.#read());
    followLinks((link) => this.#follow(link));
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

  /** Has the address say which part of the page is shown, where it names one that there is not. */
  settle(part: string, depth = 0): void {
    const { page, parts } = this.#route;
    if (page === undefined || (parts[depth] ?? "") === part) return;
    const right = [page, ...parts.slice(0, depth), ...(part === "" ? [] : [part])];
    this.go(`/${right.map(encodeURIComponent).join("/")}`, { replace: true });
  }

  #read(): void {
    this.#path = location.pathname;
    this.#search = location.search;
  }

  /** Links to pages change this one without loading it anew. */
  #follow(link: HTMLAnchorElement): boolean {
    if (parse(link.pathname).page === undefined) return false;
    if (link.pathname + link.search !== location.pathname + location.search) this.go(link.pathname + link.search);
    return true;
  }
}

export const router = new Router();
