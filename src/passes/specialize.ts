/**
 * Makes an imported graph static for one input shape: every value gets its type, and whatever does not depend on the input's data
 * becomes a constant (shape arithmetic, interpolated position embeddings, masks). The model is not run for it: `inference.ts`.
 * Nothing after this pass deals with unknown dimensions.
 */
import {
  byteLengthOf,
  checked,
  constantOf,
  copyNodes,
  GlobalPercError,
  type Graph,
  GraphBuilder,
  int,
  makeConstant,
  makeNode,
  type Node,
  neededNodes,
  type TensorType,
  type Value,
} from '../graph/index.js';
import { createGraph, operatorOf, requiredOpset } from '../ops/index.js';
import type { SessionOptions, Steps } from '../runtime/index.js';
import { resolveControlFlow } from './control-flow.js';
import { Inference, isShapedByData } from './inference.js';
import { markStraightThrough } from './straight-through.js';
import { tooSmall } from './too-small.js';

/** A static copy of a model. */
export interface Specialized {
  readonly graph: Graph;
  /** The static counterpart of a value of the imported graph, its inputs included. */
  valueOf(original: Value): Value;
}

/** A part of a weight may be read from its file if it is no larger than this. */
const LARGE = 64 * 1024;

/** Operators that hand on elements as they are. */
const MOVING = new Set(['Identity', 'Transpose', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Slice', 'Split']);

/**
 * Specialises `graph` for inputs of the given types, as far as `wanted` needs it.
 * @param inputs Every input that `wanted` depends on.
 * @param variables constants that may change later: nothing computed from them is folded.
 * @throws GlobalPercError when the model does not take those shapes, or ONNX Runtime cannot compute a part of it.
 */
export function* specialize(
  graph: Graph,
  inputs: ReadonlyMap<Value, TensorType>,
  wanted: readonly Value[],
  options: SessionOptions = {},
  variables: readonly Value[] = [],
): Steps<Specialized> {
  const original = neededNodes(graph.nodes, wanted);
  try {
    return yield* specialized(original, inputs, wanted, variables, { opset: requiredOpset(graph), options });
  } catch (error) {
    if (!(error instanceof GlobalPercError)) throw error;
    throw tooSmall(original, inputs, error) ?? explained(error, inputs);
  }
}

function* specialized(
  original: readonly Node[],
  inputs: ReadonlyMap<Value, TensorType>,
  wanted: readonly Value[],
  variables: readonly Value[],
  asking: ConstructorParameters<typeof Inference>[2],
): Steps<Specialized> {
  const graph = createGraph();
  // The model stays as it was read: it is specialised for other shapes as well.
  const copies = new Map<Value, Value>(
    Array.from(inputs, ([input, { dtype, shape }]) => [input, graph.input(input.name, dtype, shape).value]),
  );
  const copied = copyNodes(original, copies);
  const copyOf = (value: Value): Value => copies.get(value) ?? value;
  const results = wanted.map(copyOf);
  forgetTypes(copied);
  const inference = new Inference(graph.inputs, variables, asking);
  const resolved = yield* resolveControlFlow(copied, inference);
  const nodes = neededNodes(resolved, results, isOpen);
  checked(
    Object.assign(new GraphBuilder(), { inputs: graph.inputs, nodes, outputs: results }),
    'resolving control flow',
  );
  yield* inference.learn(nodes);
  const { kept, constants } = divided(nodes, results, inference.dependent(nodes));
  yield* inference.evaluate(nodes, constants);
  graph.nodes = kept.flatMap((node) => (!operatorOf(node) && isShapedByData(node) ? guarded(node) : [node]));
  markStraightThrough(graph);
  return { graph: checked(graph, 'specialising it'), valueOf: copyOf };
}

const isOpen = ({ constant }: Value): boolean => constant === undefined;

/** Types that were true for another shape. */
function forgetTypes(nodes: readonly Node[]): void {
  for (const { outputs } of nodes) {
    for (const output of outputs) {
      delete output?.dtype;
      delete output?.shape;
    }
  }
}

/** The nodes that stay, and the values that become constants in place of the others. */
function divided(
  nodes: readonly Node[],
  wanted: readonly Value[],
  dependent: ReadonlySet<Value>,
): { readonly kept: readonly Node[]; readonly constants: readonly Value[] } {
  const moved = movedWeights(nodes, dependent);
  const read = new Set<Value>(wanted);
  const constants: Value[] = [];
  const kept = nodes.toReversed().filter((node) => {
    const used = node.outputs.filter((output) => output && read.has(output) && isOpen(output)) as Value[];
    const stays = used.some((value) => dependent.has(value) || moved.has(value));
    if (stays) for (const input of node.inputs) if (input) read.add(input);
    if (!stays) constants.push(...used);
    return stays;
  });
  return { kept: kept.toReversed(), constants };
}

/** What is a weight in another arrangement: it would have to be read from its file, and kept in memory. */
function movedWeights(nodes: readonly Node[], dependent: ReadonlySet<Value>): ReadonlySet<Value> {
  const moved = new Set<Value>();
  for (const { op, domain, inputs, outputs } of nodes) {
    const [x] = inputs;
    if (domain !== '' || !MOVING.has(op) || !x || !(moved.has(x) || x.constant?.place)) continue;
    for (const output of outputs)
      if (output && isOpen(output) && !dependent.has(output) && byteLengthOf(output as TensorType) > LARGE)
        moved.add(output);
  }
  return moved;
}

/**
 * A node, and such behind it as fail where its outputs have other shapes than they had for the sample image: everything that
 * follows was made for those.
 */
function guarded(node: Node): Node[] {
  return [node, ...node.outputs.flatMap((output) => (output ? guards(node, output) : []))];
}

function guards(node: Node, output: Value): Node[] {
  const shape = output.shape ?? [];
  const values = shape.map((_, axis): Value => ({ ...output, name: `${output.name}/${axis}` }));
  for (const value of values) delete value.producer;
  if (values.length > 0) node.outputs = node.outputs.map((each) => (each === output ? values[0] : each));
  for (const value of values.slice(0, 1)) value.producer = node;
  return shape.map((size, axis) =>
    makeNode({
      op: 'Split',
      name: `${output.name} has shape [${shape}] for one image and another for this one`,
      modulePath: node.modulePath,
      inputs: [values[axis], makeConstant(`${output.name}/size_${axis}`, constantOf('int64', [1], [size]))],
      outputs: [values[axis + 1] ?? output],
      attributes: { axis: int(axis) },
    }),
  );
}

/** Says for which inputs the model does not run. */
function explained(error: GlobalPercError, inputs: ReadonlyMap<Value, TensorType>): GlobalPercError {
  // All else is not the shapes' fault: session options, an operator that is not supported.
  if (error.code !== 'runtime' && error.code !== 'invalid-argument') return error;
  const shapes = Array.from(inputs.values(), ({ shape }) => `[${shape}]`).join(', ');
  const reason = error.message.replace(/\s+/g, ' ').trim();
  return new GlobalPercError(`the model does not run on an input of shape ${shapes}: ${reason}`, {
    code: 'invalid-argument',
    cause: error,
  });
}
