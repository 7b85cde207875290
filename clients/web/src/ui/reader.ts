import { Marked } from "marked";

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

const marked = new Marked({ gfm: true, async: false, renderer: { html: ({ text }) => bare(text) } });

/** Makes HTML of Markdown, which is still to be cleaned. How long it takes is the text's choice. */
export const read = (text: string): string => marked.parse(text, { async: false });
