/**
 * Which build of the page this is: the path of its entry, whose name is that of its content. Pages of two builds may be open beside
 * each other, an older one until somebody loads it anew.
 */
export const build = typeof document === "undefined" ? "" : (document.querySelector('script[type="module"][src]')?.getAttribute("src") ?? "");

/** Whose feed tabs share: pages of another build may follow other kinds, and tell each other of them in another way. */
export const feedName = `hearth-feed ${build}`;

/** Whether the server has another build of the page by now. While the server cannot be asked nobody knows. */
export async function isOther(): Promise<boolean> {
  const answer = await fetch("/", { cache: "no-cache", credentials: "omit" });
  return build !== "" && answer.ok && !(await answer.text()).includes(`"${build}"`);
}
