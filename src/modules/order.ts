/**
 * Undoes what ONNX Runtime's optimiser does to the order of nodes: it writes them as their readers need them. TorchScript's
 * exporter numbers the nodes of one operator in one module (`Reshape`, `Reshape_1`) and the weights it has turned
 * (`onnx::MatMul_263`) in the order in which PyTorch ran them.
 */
import type { Graph, Node } from '../graph/index.js';
import type { DataFlow } from './data-flow.js';
import { groupBy } from './group.js';
import { folderOf } from './rename.js';

/** Operators whose weights the exporter computes: products take them transposed, convolutions with a BatchNorm in them. */
const WEIGHTED = new Set(['MatMul', 'Gemm', 'Conv', 'ConvTranspose']);

/** Sorts the nodes of a graph, in place, where their numbers say that they ran in another order. */
export function restoreOrder(graph: Graph, flow: DataFlow): void {
  const places = new Map(graph.nodes.map((node, i) => [node, i]));
  const earlier = numberedBefore(flow.nodes);
  const placeOf = (node: Node): number => places.get(node) as number;
  if (Array.from(earlier).every(([node, others]) => others.every((other) => placeOf(other) < placeOf(node)))) return;
  graph.nodes = sorted(graph.nodes, places, earlier) ?? graph.nodes;
}

interface Numbered {
  readonly number: number;
  readonly node: Node;
}

/**
 * For each node that with the next smaller number, by name and by weight. Where that is in another module, the whole call
 * of that module was over.
 */
function numberedBefore(nodes: readonly Node[]): Map<Node, Node[]> {
  const calls = new Map<string, Node[]>();
  for (const node of nodes)
    for (const folder of foldersOf(node)) calls.get(folder)?.push(node) ?? calls.set(folder, [node]);
  const earlier = new Map<Node, Node[]>(nodes.map((node) => [node, []]));
  for (const series of groupBy(nodes.flatMap(numbersOfNode), ({ base }) => base).values()) {
    const numbers = groupBy(series, ({ number }) => number);
    // Equal numbers tell nothing: an optimiser made several nodes read one of their equal weights.
    const unique = series.filter(({ number }) => numbers.get(number)?.length === 1);
    const ordered = unique.toSorted((a, b) => a.number - b.number);
    for (const [i, { node }] of ordered.slice(1).entries()) {
      const before = (ordered[i] as Numbered).node;
      const around = new Set(foldersOf(node));
      const other = foldersOf(before).findLast((folder) => !around.has(folder));
      earlier.get(node)?.push(...((other !== undefined && calls.get(other)) || [before]));
    }
  }
  return earlier;
}

/** The modules around a node as folders, innermost first. */
function foldersOf({ name }: Node): string[] {
  const folders: string[] = [];
  for (let folder = folderOf(name); folder !== ''; folder = folderOf(folder)) folders.push(folder);
  return folders;
}

/** The numbers in a node's name, if the exporter gave it, and in that of its weight; and what they count. */
function numbersOfNode(node: Node): (Numbered & { readonly base: string })[] {
  const { name, op, inputs, outputs } = node;
  const isOwn = name.startsWith('/') && outputs[0]?.name === `${name}_output_0`;
  const weight = /^(onnx::\w+)_(\d+)$/.exec((WEIGHTED.has(op) && inputs[1]?.name) || '');
  const counted = isOwn ? /^(\/.*?)(?:_(\d+))?$/.exec(name) : null;
  return [weight, counted].flatMap((found) =>
    found ? [{ base: `${found[1]}`, number: Number(found[2] ?? 0), node }] : [],
  );
}

/**
 * Each node behind those numbered before it and its producers, else as they were; what no number orders comes right before
 * what needs it. `undefined` for a cycle.
 */
function sorted(
  nodes: readonly Node[],
  places: ReadonlyMap<Node, number>,
  earlier: ReadonlyMap<Node, readonly Node[]>,
): Node[] | undefined {
  const done = new Set<Node>();
  const waiting = new Set<Node>();
  const isOrdered = (node: Node): boolean => (earlier.get(node)?.length ?? 0) > 0;
  const stack = [...nodes.filter(isOrdered), ...nodes].toReversed();
  while (stack.length > 0) {
    const node = stack.at(-1) as Node;
    const producers = node.inputs.flatMap((input) => (input?.producer ? [input.producer] : []));
    const missing = [...(earlier.get(node) ?? []), ...producers].filter(
      (other) => places.has(other) && !done.has(other),
    );
    if (missing.length === 0 || done.has(node)) {
      done.add(node);
      stack.pop();
    } else if (missing.some((other) => waiting.has(other))) return undefined;
    else {
      waiting.add(node);
      stack.push(...missing.toReversed());
    }
  }
  return [...done];
}
