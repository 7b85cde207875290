import type { Rolldown } from "vite";

interface Graph {
  getModuleInfo(id: string): Rolldown.ModuleInfo | null;
}

/** What brings words and catalogue, and what the first picture is made of, by what begins them. */
const roots = { words: ["src/main.ts"], catalogue: ["src/catalogue/main.ts"], first: ["src/start.ts", "src/features/home/Home.svelte"] };

/** All that some modules need at once, with them. */
function reach(from: readonly string[], graph: Graph): Set<string> {
  const found = new Set<string>();
  const waiting = [...from];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    waiting.push(...(graph.getModuleInfo(id)?.importedIds ?? []));
  }
  return found;
}

/**
 * Has the first picture come in a few files: each is a request of its own, and on a slow device some fifty of them cost more than what
 * is in them. What the entry needs to ask for the words stays apart, as does what a registry's catalogue has in common with the page.
 * The rest stays cut by what is opened.
 */
export function chunks(root: string): Rolldown.CodeSplittingGroup[] {
  let sets: Record<keyof typeof roots, Set<string>> | undefined;
  const all = (graph: Graph) => {
    const reached = ([name, from]: [string, string[]]) => [name, reach(from.map((file) => root + file), graph)] as const;
    return (sets ??= Object.fromEntries(Object.entries(roots).map(reached)) as Record<keyof typeof roots, Set<string>>);
  };
  // Each of them needs nothing but itself and those before it.
  const groups: [string, (id: string, graph: Graph) => boolean][] = [
    ["words", (id, graph) => all(graph).words.has(id) && all(graph).first.has(id)],
    ["shared", (id, graph) => all(graph).catalogue.has(id) && all(graph).first.has(id)],
    ["first", (id, graph) => all(graph).first.has(id)],
  ];
  return groups.map(([name, has], i) => ({ debugName: name, priority: groups.length - i, name: (id, graph) => (has(id, graph) ? name : null) }));
}
