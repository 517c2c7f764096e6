/** Constant folding: what depends on constants alone is computed once, by ONNX Runtime, when the graph is compiled. */
import { byteLengthOf, checked, dropNodes, type Graph, type Node, readersOf, type Value } from '../graph/index.js';
import { operatorOf, requiredOpset } from '../ops/index.js';
import type { SessionOptions, Steps } from '../runtime/index.js';
import { constantFrom, evaluate } from './evaluate.js';
import { isSmall, smallValue } from './small-values.js';

/**
 * A folded constant may not be larger than this, unless it takes the place of inputs as large: folding must not inflate the
 * file by a second form of its weights, such as the turned kernels that a convolution's gradient reads beside the kernels
 * themselves, nor bring weights into memory that stay in theirs. ONNX Runtime folds what is left when it opens the graph.
 */
const INFLATION_LIMIT = 64 * 1024;

/** So many nodes are computed at once: the time that ONNX Runtime takes to open a graph grows with the square of their number. */
const PIECE = 400;

/** Replaces, in place, the outputs of constant subgraphs by constants and drops the nodes. */
export function* fold(graph: Graph, options: SessionOptions = {}): Steps<void> {
  const readers = readersOf(graph);
  const constant = foldableNodes(graph, readers);
  if (constant.length === 0) return;
  const foldable = constant.filter((node) => !foldedHere(node));
  const opset = requiredOpset(graph);
  const outputs = new Set<Value>(graph.outputs);
  for (let first = 0; first < foldable.length; first += PIECE) {
    const piece = new Set(foldable.slice(first, first + PIECE));
    const isRead = (value: Value | undefined): boolean =>
      value !== undefined && (outputs.has(value) || (readers.get(value) ?? []).some((node) => !piece.has(node)));
    const wanted = foldable.slice(first, first + PIECE).flatMap((node) => node.outputs.filter(isRead)) as Value[];
    const results = yield* evaluate([...piece], wanted, { opset, options });
    for (const [value, tensor] of results) {
      value.constant = constantFrom(tensor);
      delete value.producer;
    }
  }
  dropNodes(graph, new Set(constant));
  checked(graph, 'folding constants');
}

/** So many elements are computed here, without a session: weights of hooks, shapes of gradients, rows of ones. */
const FEW = 2 ** 12;

/** Makes a constant of the output of a node, where that is small. */
function foldedHere(node: Node): boolean {
  const [output] = node.outputs;
  if (!output?.dtype || !output.shape || !isSmall(node, FEW)) return false;
  const value = smallValue(node, { dtype: output.dtype, shape: output.shape }, FEW);
  if (value === undefined) return false;
  output.constant = value;
  delete output.producer;
  return true;
}

/** The nodes that depend on constants alone and may be computed now. */
function foldableNodes(graph: Graph, readers: ReadonlyMap<Value, readonly Node[]>): Node[] {
  const computed = new Set<Value>();
  const isKnown = (value: Value | undefined): boolean =>
    value === undefined || value.constant !== undefined || computed.has(value);
  const outputs = new Set(graph.outputs);
  const replaces = (value: Value): boolean => readers.get(value)?.length === 1 && !outputs.has(value);
  return graph.nodes.filter((node) => {
    if (!node.inputs.every(isKnown) || !mayFold(node, replaces)) return false;
    for (const output of node.outputs) if (output) computed.add(output);
    return true;
  });
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
