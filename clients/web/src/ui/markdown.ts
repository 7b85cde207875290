import DOMPurify from "dompurify";
import { bounded } from "./bounded.js";

const purifier = DOMPurify(window);
purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "PRE") node.setAttribute("tabindex", "0"); // what is wide is moved by the keyboard, too
  if (node.tagName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noreferrer");
});

/** So much of a text is shown. */
const most = 1 << 18;

/**
 * Makes what a package wrote in Markdown something to show. It is hostile until proven otherwise: no script, no style, no form, no
 * frame and no picture from elsewhere gets through, and a text that is made to take for ever is shown as it is written.
 */
export async function markdown(text: string): Promise<DocumentFragment> {
  const part = text.slice(0, most);
  const html = await bounded.run({ what: "markdown", text: part }).catch(() => undefined);
  if (typeof html !== "string" || html.length > 8 * most) return asWritten(part);
  return purifier.sanitize(html, {
    USE_PROFILES: { html: true },
    FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select", "option", "iframe", "img", "picture", "video", "audio", "source", "svg", "math"],
    FORBID_ATTR: ["style", "class", "id", "name", "srcset"],
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
    RETURN_DOM_FRAGMENT: true,
  });
}

function asWritten(text: string): DocumentFragment {
  const fragment = new DocumentFragment();
  const place = document.createElement("pre");
  place.tabIndex = 0;
  place.textContent = text;
  fragment.append(place);
  return fragment;
}
