/** Constant folding: what depends on constants alone is computed once, by ONNX Runtime, when the graph is compiled. */
import { byteLengthOf, checked, dropNodes, type Graph, type Node, readersOf, type Value } from '../graph/index.js';
import { operatorOf, requiredOpset } from '../ops/index.js';
import type { SessionOptions, Steps } from '../runtime/index.js';
import { constantFrom, evaluate } from './evaluate.js';

/**
 * A folded constant may not be larger than this, unless it takes the place of inputs as large: folding must not inflate the
 * file by a second form of its weights, such as the turned kernels that a convolution's gradient reads beside the kernels
 * themselves, nor bring weights into memory that stay in theirs. ONNX Runtime folds what is left when it opens the graph.
 */
const INFLATION_LIMIT = 64 * 1024;

/** Replaces, in place, the outputs of constant subgraphs by constants and drops the nodes. */
export function* fold(graph: Graph, options: SessionOptions = {}): Steps<void> {
  const foldable = foldableNodes(graph);
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
function foldableNodes(graph: Graph): Set<Node> {
  const computed = new Set<Value>();
  const isKnown = (value: Value | undefined): boolean =>
    value === undefined || value.constant !== undefined || computed.has(value);
  const readers = readersOf(graph);
  const replaces = (value: Value): boolean => readers.get(value)?.length === 1 && !graph.outputs.includes(value);
  const foldable = graph.nodes.filter((node) => {
    if (!node.inputs.every(isKnown) || !mayFold(node, replaces)) return false;
    for (const output of node.outputs) if (output) computed.add(output);
    return true;
  });
  return new Set(foldable);
}

/** @param replaces whether a constant is gone once the node that reads it is. */
function mayFold(node: Node, replaces: (value: Value) => boolean): boolean {
  if (operatorOf(node)?.random) return false;
  const made = bytesOfAll(node.outputs);
  return made <= INFLATION_LIMIT || made <= bytesOfAll(node.inputs.filter((value) => value && replaces(value)));
}

/** Bytes that values take as constants in memory. */
function bytesOfAll(values: readonly (Value | undefined)[]): number {
  const bytes = (value: Value | undefined): number =>
    value?.dtype && !value.constant?.place ? byteLengthOf({ dtype: value.dtype, shape: value.shape ?? [] }) : 0;
  return values.reduce((sum, value) => sum + bytes(value), 0);
}
