/** Has links within the page followed by `ours`, where it says that it has done so; all else is the browser's. */
export function followLinks(ours: (link: HTMLAnchorElement) => boolean): void {
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (link === null || link.target !== "" || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (ours(link)) event.preventDefault();
  });
}
