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

/** What describes the contract. It is made when it is evaluated, which is most of what the page does before it begins. */
const contract = /\/packages\/api\/gen\/|\/src\/live\/described\.ts$|\/@bufbuild\/protobuf\//;
/** In so many pieces, each of which is evaluated apart: see main.ts. */
const pieces = 4;

/** The modules of a set, each after those that it needs. */
function ordered(from: readonly string[], within: ReadonlySet<string>, graph: Graph): string[] {
  const [list, seen] = [[] as string[], new Set<string>()];
  const visit = (id: string): void => {
    if (seen.has(id)) return;
    seen.add(id);
    graph.getModuleInfo(id)?.importedIds.forEach(visit);
    if (within.has(id)) list.push(id);
  };
  from.forEach(visit);
  return list;
}

/** Which piece each module belongs to that describes the contract: about as much is in each, and no piece needs a later one. */
function cut(modules: readonly string[], graph: Graph): Map<string, number> {
  const lengths = modules.map((id) => graph.getModuleInfo(id)?.code?.length ?? 0);
  const all = lengths.reduce((sum, length) => sum + length, 0) + 1;
  let before = 0;
  return new Map(modules.map((id, i) => {
    const piece = Math.floor((before / all) * pieces);
    before += lengths[i]!;
    return [id, piece];
  }));
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
  let places: Map<string, number> | undefined;
  const placeOf = (id: string, graph: Graph): number | undefined => {
    const { words, catalogue, first } = all(graph);
    const described = () => new Set([...reach([...first].filter((one) => contract.test(one)), graph)].filter((one) => !words.has(one) && !catalogue.has(one)));
    places ??= cut(ordered(roots.first.map((file) => root + file), described(), graph), graph);
    return places.get(id);
  };
  // Each of them needs nothing but itself and those before it.
  const groups: [string, (id: string, graph: Graph) => string | false][] = [
    ["words", (id, graph) => all(graph).words.has(id) && all(graph).first.has(id) && "words"],
    ["shared", (id, graph) => all(graph).catalogue.has(id) && all(graph).first.has(id) && "shared"],
    ["contract", (id, graph) => placeOf(id, graph) !== undefined && `contract-${placeOf(id, graph)}`],
    ["first", (id, graph) => all(graph).first.has(id) && "first"],
  ];
  return groups.map(([debugName, name], i) => ({ debugName, priority: groups.length - i, name: (id, graph) => name(id, graph) || null }));
}
