import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const catalogue = fileURLToPath(new URL("../../../api/text/", import.meta.url));
const prefix = "virtual:texts/";

/** What the page says: its own texts, and those of the server that it repeats. Help of commands is not among them. */
const used = /^(page|word|step|warning|why|dependency|check)\./;
/** What nobody reads at once: of failures, of what checks find and a machine offers, and of what the audit log holds. */
const failures = /^(reason|remedy|check|capability|page\.audit\.method)\./;

/** French has a space before these signs, and no line begins with one of them. */
const french = (text: string): string => text.replace(/ (?=[:;!?»])/g, "\u00a0").replace(/« /g, "«\u00a0");

/**
 * Makes the texts of one language two modules, `virtual:texts/de` and `virtual:texts/de/failures`, from the catalogue that the
 * command line reads, too.
 */
export function texts(): Plugin {
  return {
    name: "hearth-texts",
    resolveId: (id) => (id.startsWith(prefix) ? `\0${id}` : undefined),
    load(id) {
      if (!id.startsWith(`\0${prefix}`)) return undefined;
      const [language = "", part] = id.slice(prefix.length + 1).split("/");
      const wanted = (key: string) => (part === "failures" ? failures.test(key) : used.test(key) && !failures.test(key));
      const file = `${catalogue}${language}.json`;
      this.addWatchFile(file);
      const all = JSON.parse(readFileSync(file, "utf8")) as Record<string, string | { other: string; few?: string; many?: string }>;
      const out: Record<string, string> = {};
      for (const [key, text] of Object.entries(all)) {
        if (!wanted(key)) continue;
        const said = typeof text === "string" ? { other: text } : text;
        out[key] = language === "fr" ? french(said.other) : said.other;
        // Forms for numbers that some languages have beside one and many, as Polish does.
        if (said.few) out[key.replace(/other$/, "few")] = said.few;
        if (said.many) out[key.replace(/other$/, "many")] = said.many;
      }
      return `export default JSON.parse(${JSON.stringify(JSON.stringify(out))});`;
    },
  };
}
