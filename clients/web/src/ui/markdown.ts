import DOMPurify from "dompurify";
import { marked } from "marked";

const purifier = DOMPurify(window);
purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noreferrer");
});

/**
 * Makes what a package wrote in Markdown something to show. It is hostile until proven otherwise: no script, no style, no
 * form, no frame and no picture from elsewhere gets through.
 */
export function markdown(text: string): DocumentFragment {
  const html = marked.parse(text.slice(0, 1 << 20), { async: false, gfm: true });
  return purifier.sanitize(html, {
    USE_PROFILES: { html: true },
    FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select", "option", "iframe", "img", "picture", "video", "audio", "source", "svg", "math"],
    FORBID_ATTR: ["style", "class", "id", "name", "srcset"],
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
    RETURN_DOM_FRAGMENT: true,
  });
}
