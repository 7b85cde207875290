import DOMPurify from "dompurify";
import { Marked } from "marked";

const purifier = DOMPurify(window);
purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noreferrer");
});

/** Tags that text may have of its own; they lose their attributes, all others go and leave their text. */
const plain = "b|i|em|strong|u|s|br|hr|p|ul|ol|li|code|pre|kbd|sub|sup|blockquote|details|summary|h[1-6]|table|thead|tbody|tr|td|th";
const keeps = new RegExp(`^(?:${plain})$`, "i");
const unkept = new RegExp(`<(?!/?(?:${plain})>)`, "gi");

/** Leaves the plain tags of HTML that stands in Markdown, so that nothing else comes to a parser at all. */
export function bare(html: string): string {
  return html
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/<(\/?)([a-z][a-z0-9]*)\b[^>]*>/gi, (_, end: string, name: string) => (keeps.test(name) ? `<${end}${name}>` : ""))
    .replace(unkept, "&lt;");
}

const reader = new Marked({ gfm: true, async: false, renderer: { html: ({ text }) => bare(text) } });

/**
 * Makes what a package wrote in Markdown something to show. It is hostile until proven otherwise: no script, no style, no
 * form, no frame and no picture from elsewhere gets through.
 */
export function markdown(text: string): DocumentFragment {
  const html = reader.parse(text.slice(0, 1 << 20), { async: false });
  return purifier.sanitize(html, {
    USE_PROFILES: { html: true },
    FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select", "option", "iframe", "img", "picture", "video", "audio", "source", "svg", "math"],
    FORBID_ATTR: ["style", "class", "id", "name", "srcset"],
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
    RETURN_DOM_FRAGMENT: true,
  });
}
