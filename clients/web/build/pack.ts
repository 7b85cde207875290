import { createHash } from "node:crypto";
import { constants, brotliCompressSync } from "node:zlib";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { build, type Plugin, type Rolldown } from "vite";
import { pages } from "../src/routes.js";

type OutputBundle = Rolldown.OutputBundle;
type OutputChunk = Rolldown.OutputChunk;

const compressible = /\.(js|css|html|svg|webmanifest|json)$/;

/** The files of the page, the page itself first, then by name; not what only the server reads. */
function files(out: string): string[] {
  const found = readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes(".vite"))
    .map((entry) => relative(out, join(entry.parentPath, entry.name)))
    .filter((name) => name !== "index.html")
    .sort();
  return ["index.html", ...found];
}

/** Builds the worker that keeps the files, which has to know them. Its version is that of all their contents. */
async function worker(root: string, out: string): Promise<void> {
  const names = files(out).filter((name) => !name.startsWith("catalogue") && !name.startsWith("assets/catalogue")); // that is a registry's
  const sum = createHash("sha256");
  for (const name of names) sum.update(name).update(readFileSync(join(out, name)));
  const built = { version: sum.digest("hex").slice(0, 16), files: ["/", ...names.slice(1).map((name) => `/${name}`)], pages };
  await build({
    root,
    configFile: false,
    logLevel: "warn",
    publicDir: false,
    define: { BUILT: JSON.stringify(built) },
    build: {
      outDir: out,
      emptyOutDir: false,
      target: "es2022",
      reportCompressedSize: false,
      lib: { entry: join(root, "worker/worker.ts"), formats: ["iife"], name: "worker", fileName: () => "worker.js" },
    },
  });
}

/**
 * Has index.html ask for all that the first picture is made of: the entry is small and imports the page, which a browser would
 * otherwise ask for only when it has read the entry. The home page is most people's first. Each file comes after those that it needs, which is
 * the order that main.ts evaluates them in.
 */
function asking(html: string, bundle: OutputBundle): string {
  const chunks = Object.values(bundle).filter((one) => one.type === "chunk");
  const [wanted, seen] = [new Set<OutputChunk>(), new Set<OutputChunk>()];
  const want = (chunk: OutputChunk | undefined): void => {
    if (chunk === undefined || seen.has(chunk)) return;
    seen.add(chunk);
    for (const name of chunk.imports) want(chunks.find(({ fileName }) => fileName === name));
    wanted.add(chunk);
  };
  for (const first of ["src/start.ts", "src/features/home/Home.svelte"]) {
    const chunk = chunks.find(({ facadeModuleId }) => facadeModuleId?.endsWith(first));
    if (chunk === undefined) throw new Error(`the bundle has no ${first}`);
    want(chunk);
  }
  const files = [...wanted];
  const styles = new Set(files.flatMap((chunk) => [...(chunk.viteMetadata?.importedCss ?? [])]));
  const links = [
    ...files.filter(({ fileName }) => !html.includes(fileName)).map(({ fileName }) => `<link rel="modulepreload" crossorigin href="/${fileName}">`),
    ...[...styles].filter((name) => !html.includes(name)).map((name) => `<link rel="stylesheet" crossorigin href="/${name}">`),
  ];
  return html.replace("</head>", `  ${links.join("\n    ")}\n  </head>`);
}

/**
 * Finishes the bundle for the server: the worker that keeps the page's files, each file also in brotli, where that is smaller,
 * and `routes.json`, the first parts of the paths that are pages, so that the server answers others with what they are: nothing.
 */
export function pack(): Plugin {
  let root = "";
  let out = "";
  return {
    name: "hearth-pack",
    apply: "build",
    configResolved(config) {
      root = config.root;
      out = join(config.root, config.build.outDir);
    },
    transformIndexHtml: {
      order: "post",
      handler: (html, { filename, bundle }) => (filename.endsWith("index.html") && bundle !== undefined ? asking(html, bundle) : html),
    },
    async writeBundle() {
      await worker(root, out);
      writeFileSync(join(out, "routes.json"), JSON.stringify(pages));
      for (const name of files(out)) {
        const path = join(out, name);
        if (!compressible.test(name) || name === "routes.json") continue;
        const raw = readFileSync(path);
        const small = brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
        if (small.length < raw.length) writeFileSync(`${path}.br`, small);
      }
    },
  };
}
