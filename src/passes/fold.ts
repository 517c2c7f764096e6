/** Constant folding: what depends on constants alone is computed once, by ONNX Runtime, when the graph is compiled. */
import { byteLengthOf, checked, dropNodes, type Graph, type Node, type Value } from '../graph/index.js';
import { operatorOf, requiredOpset } from '../ops/index.js';
import type { SessionOptions, Steps } from '../runtime/index.js';
import { constantFrom, evaluate } from './evaluate.js';

/**
 * A folded constant may not be larger than this, unless its inputs are as large: folding must not inflate the file, nor
 * bring weights into memory that stay in theirs.
 */
const INFLATION_LIMIT = 64 * 1024;

/** Replaces, in place, the outputs of constant subgraphs by constants and drops the nodes. */
export function* fold(graph: Graph, options: SessionOptions = {}): Steps<void> {
  const foldable = foldableNodes(graph.nodes);
  if (foldable.size === 0) return;
  const kept = graph.nodes.filter((node) => !foldable.has(node));
  const read = new Set<Value | undefined>([...kept.flatMap((node) => node.inputs), ...graph.outputs]);
  const wanted = [...foldable].flatMap((node) =>
    node.outputs.filter((value) => value !== undefined && read.has(value)),
  );
  const opset = requiredOpset(graph);
  const results = yield* evaluate([...foldable], wanted as Value[], { opset, options });
  dropNodes(graph, foldable);
  for (const [value, tensor] of results) value.constant = constantFrom(tensor);
  checked(graph, 'folding constants');
}

/** The nodes that depend on constants alone and may be computed now. */
function foldableNodes(nodes: readonly Node[]): Set<Node> {
  const computed = new Set<Value>();
  const isKnown = (value: Value | undefined): boolean =>
    value === undefined || value.constant !== undefined || computed.has(value);
  const foldable = nodes.filter((node) => {
    if (!node.inputs.every(isKnown) || !mayFold(node)) return false;
    for (const output of node.outputs) if (output) computed.add(output);
    return true;
  });
  return new Set(foldable);
}

function mayFold(node: Node): boolean {
  if (operatorOf(node)?.random) return false;
  const bytes = (values: readonly (Value | undefined)[]): number =>
    values.reduce(
      (sum, value) =>
        sum +
        (value?.dtype && !value.constant?.place ? byteLengthOf({ dtype: value.dtype, shape: value.shape ?? [] }) : 0),
      0,
    );
  return bytes(node.outputs) <= Math.max(INFLATION_LIMIT, bytes(node.inputs));
}
