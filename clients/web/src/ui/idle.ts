/** Resolves when the page has drawn what there is and has nothing else to do, or after a while. */
export function whenIdle(patience = 1000): Promise<void> {
  return new Promise((resolve) => {
    // Safari has no such call: what was written is drawn by then.
    if (typeof requestIdleCallback === "undefined") setTimeout(resolve, 100);
    else requestAnimationFrame(() => requestIdleCallback(() => resolve(), { timeout: patience }));
    setTimeout(resolve, patience); // a page that nobody sees is not drawn
  });
}
