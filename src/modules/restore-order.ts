/**
 * Puts the nodes of a file that an optimiser (onnxslim) sorted anew back in the order in which PyTorch ran them: where
 * two branches do not depend on each other, hooks come in that order. TorchScript's exporter tells it by the numbers of
 * the weights that it computed, `onnx::Conv_228`.
 */
import type { Graph, Node, Value } from '../graph/index.js';

/** Sorts nodes in place. What no numbered weight orders comes right before what needs it, as the file has it. */
export function restoreOrder(graph: Graph): void {
  const numbered = numberedNodes(graph.nodes);
  const inOrder = numbered.toSorted(([a], [b]) => a - b);
  if (inOrder.every((entry, i) => entry === numbered[i])) return;
  const placed = new Set<Node>();
  for (const [, node] of inOrder) {
    const needed = ancestors(node, placed);
    for (const other of graph.nodes) if (needed.has(other)) placed.add(other);
  }
  for (const node of graph.nodes) placed.add(node);
  graph.nodes = [...placed];
}

/** Convolutions by the numbers of their weights, each weight where it is read first. */
function numberedNodes(nodes: readonly Node[]): (readonly [number, Node])[] {
  const seen = new Set<Value>();
  return nodes.flatMap((node) => {
    const weight = node.inputs[1];
    const number = /^onnx::Conv\w*_(\d+)$/.exec(weight?.name ?? '')?.[1];
    if (weight === undefined || number === undefined || seen.has(weight)) return [];
    seen.add(weight);
    return [[Number(number), node] as const];
  });
}

/** A node and all that it needs of what is not placed yet. */
function ancestors(node: Node, placed: ReadonlySet<Node>): Set<Node> {
  const found = new Set([node]);
  for (const { inputs } of found) {
    for (const input of inputs) if (input?.producer && !placed.has(input.producer)) found.add(input.producer);
  }
  return found;
}
