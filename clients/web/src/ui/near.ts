import type { Attachment } from "svelte/attachments";

const tells = new WeakMap<Element, () => void>();
let eyes: IntersectionObserver | undefined;

/** One pair of eyes for all that is waited for: half a window ahead, so that scrolling seldom meets what is not there yet. */
function watch(entries: readonly IntersectionObserverEntry[]): void {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    eyes?.unobserve(target);
    tells.get(target)?.();
  }
}

/** Tells once that an element has come near what is seen of the page. */
export function whenNear(tell: () => void): Attachment {
  return (element) => {
    eyes ??= new IntersectionObserver(watch, { rootMargin: "50% 0px" });
    tells.set(element, tell);
    eyes.observe(element);
    return () => eyes?.unobserve(element);
  };
}
