/** Constant folding: what depends on constants alone is computed once, by ONNX Runtime, when the graph is compiled. */
import { byteLengthOf, bytesOf, type ConstantData, Graph, type Node, type Value } from '../graph/index.js';
import { operatorOf, requiredOpset } from '../ops/index.js';
import { type HostTensor, Session, type SessionOptions, type Steps } from '../runtime/index.js';

/**
 * A folded constant may not be larger than this, unless its inputs are as large: folding must not inflate the file, nor
 * bring weights into memory that stay in theirs.
 */
const INFLATION_LIMIT = 64 * 1024;

/** Replaces, in place, the outputs of constant subgraphs by constants and drops the nodes. */
export function* fold(graph: Graph, options: SessionOptions = {}): Steps<void> {
  const foldable = new Set<Node>();
  const isConstant = (value: Value | undefined): boolean =>
    value === undefined ||
    value.constant !== undefined ||
    (value.producer !== undefined && foldable.has(value.producer));
  for (const node of graph.nodes) if (node.inputs.every(isConstant) && mayFold(node)) foldable.add(node);
  if (foldable.size === 0) return;

  const kept = graph.nodes.filter((node) => !foldable.has(node));
  const read = new Set<Value | undefined>([...kept.flatMap((node) => node.inputs), ...graph.outputs]);
  const wanted = [...foldable]
    .flatMap((node) => node.outputs)
    .filter((value) => value !== undefined && read.has(value));
  const constants = yield* evaluate([...foldable], wanted as Value[], requiredOpset(graph), options);
  graph.nodes = kept;
  for (const [value, constant] of constants) {
    value.constant = constant;
    delete value.producer;
  }
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

/** Runs nodes that need no input and returns the data of some of their outputs. */
function* evaluate(
  nodes: Node[],
  wanted: readonly Value[],
  opset: number,
  options: SessionOptions,
): Steps<Map<Value, ConstantData>> {
  const program = new Graph(() => []);
  program.nodes = nodes;
  program.outputs = [...wanted];
  const results = yield* Session.runOnce(program, opset, {}, options);
  return new Map(wanted.map((value) => [value, constantFrom(results[value.name] as HostTensor)]));
}

/** A fetched tensor as constant data. */
export function constantFrom({ dtype, dims, data }: HostTensor): ConstantData {
  if (data === undefined) throw new Error('a kept tensor has no data here');
  return { dtype, shape: [...dims], bytes: bytesOf(data) };
}
