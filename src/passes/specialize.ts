/**
 * Makes an imported graph static for one input shape, by running it once in ONNX Runtime: every intermediate's shape is
 * fetched, and whatever does not depend on the input's data becomes a constant (shape arithmetic, interpolated position
 * embeddings, masks). Nothing after this pass deals with unknown dimensions.
 */
import {
  type ConstantData,
  checked,
  constantOf,
  copyNodes,
  type DataType,
  dependents,
  describeNode,
  GlobalPercError,
  type Graph,
  GraphBuilder,
  isDifferentiable,
  makeValue,
  type Node,
  neededNodes,
  numbersOf,
  readsOnlyShape,
  type Shape,
  sameShape,
  sizeOf,
  type Tensor,
  type TensorType,
  typedArray,
  type Value,
} from '../graph/index.js';
import { createGraph, operatorOf, requiredOpset } from '../ops/index.js';
import type { HostTensor, SessionOptions, Steps } from '../runtime/index.js';
import { resolveControlFlow } from './control-flow.js';
import { constantFrom, evaluate } from './evaluate.js';
import { markStraightThrough } from './straight-through.js';
import { tooSmall } from './too-small.js';

/** A static copy of a model. */
export interface Specialized {
  readonly graph: Graph;
  /** The static counterpart of a value of the imported graph, its inputs included. */
  valueOf(original: Value): Value;
}

/**
 * Specialises `graph` for inputs of the given types, as far as `wanted` needs it.
 * @param inputs Every input that `wanted` depends on.
 * @param variables constants that may change later: nothing computed from them is folded.
 * @throws GlobalPercError when ONNX Runtime cannot run the model on those shapes.
 */
export function* specialize(
  graph: Graph,
  inputs: ReadonlyMap<Value, TensorType>,
  wanted: readonly Value[],
  options: SessionOptions = {},
  variables: readonly Value[] = [],
): Steps<Specialized> {
  const sources = [...inputs.keys(), ...variables];
  const run = (nodes: readonly Node[], values: readonly Value[]): Steps<ReadonlyMap<Value, HostTensor>> =>
    runModel(nodes, values, inputs, requiredOpset(graph), options);
  // The model stays as it was read: it is specialised for other shapes as well.
  const copies = new Map<Value, Value>();
  const resolved = yield* resolveControlFlow(copyNodes(neededNodes(graph.nodes, wanted), copies), {
    dependent: (nodes) => dataDependent(nodes, sources),
    evaluate: run,
  });
  const copyOf = (value: Value): Value => copies.get(value) ?? value;
  const wantedCopies = wanted.map(copyOf);
  const nodes = neededNodes(resolved, wantedCopies);
  const program = { inputs: [...inputs.keys()], nodes, outputs: wantedCopies };
  checked(Object.assign(new GraphBuilder(), program), 'resolving control flow');
  const dependent = dataDependent(nodes, sources);
  try {
    const probed = yield* probe(nodes, dependent, wantedCopies, run);
    const built = rebuild(nodes, inputs, dependent, probed);
    markStraightThrough(built.graph);
    checked(built.graph, 'specialising it');
    return { graph: built.graph, valueOf: (original) => built.valueOf(copyOf(original)) };
  } catch (error) {
    throw tooSmall(nodes, inputs, error) ?? error;
  }
}

/** Values that change with the data of `sources`; a Shape of them does not. */
const dataDependent = (nodes: readonly Node[], sources: readonly Value[]): ReadonlySet<Value> =>
  dependents(nodes, sources, {
    passes: (node, reached) => !readsOnlyShape(node) && (reached || operatorOf(node)?.random === true),
  });

/** Runs nodes of the model and gives some of their values. */
type Run = (nodes: readonly Node[], values: readonly Value[]) => Steps<ReadonlyMap<Value, HostTensor>>;

interface Probed {
  readonly shapes: ReadonlyMap<Value, Shape>;
  readonly constants: ReadonlyMap<Value, ConstantData>;
  /** Element types of the outputs of operators that have no entry. */
  readonly dtypes: ReadonlyMap<Value, DataType>;
}

/** Runs the model once, with a Shape node behind every data-dependent value. */
function* probe(
  nodes: readonly Node[],
  dependent: ReadonlySet<Value>,
  wanted: readonly Value[],
  run: Run,
): Steps<Probed> {
  const measured = outputsOf(nodes).filter((value) => dependent.has(value));
  const unknown = outputsOf(nodes.filter((node) => !operatorOf(node))).filter((value) => dependent.has(value));
  const frontier = constantFrontier(nodes, dependent, wanted);
  const fetched = [...new Set([...frontier, ...unknown])];
  const shapes = measured.map((value) => makeValue('Shape', `${value.name}.shape`, [value]));
  const results = yield* run(
    [...nodes, ...shapes.map(({ node }) => node)],
    [...shapes.map(({ value }) => value), ...fetched],
  );
  const tensor = (value: Value): HostTensor => results.get(value) as HostTensor;
  return {
    shapes: new Map(measured.map((value, i) => [value, numbersOf(constantFrom(tensor(shapes[i]?.value as Value)))])),
    constants: new Map(frontier.map((value) => [value, constantFrom(tensor(value))])),
    dtypes: new Map(fetched.map((value) => [value, tensor(value).dtype])),
  };
}

const outputsOf = (nodes: readonly Node[]): Value[] =>
  nodes.flatMap(({ outputs }) => outputs).filter((value) => value !== undefined);

/** Values computed from constants and shapes alone that a data-dependent node reads, or that are wanted themselves. */
function constantFrontier(nodes: readonly Node[], dependent: ReadonlySet<Value>, wanted: readonly Value[]): Value[] {
  const readers = nodes.filter((node) => node.outputs.some((output) => output && dependent.has(output)));
  const read = new Set<Value | undefined>([...readers.flatMap((node) => node.inputs), ...wanted]);
  return outputsOf(nodes).filter((value) => read.has(value) && !dependent.has(value));
}

function* runModel(
  nodes: readonly Node[],
  values: readonly Value[],
  inputs: ReadonlyMap<Value, TensorType>,
  opset: number,
  options: SessionOptions,
): Steps<ReadonlyMap<Value, HostTensor>> {
  const feeds = new Map(Array.from(inputs, ([value, type]) => [value, sampleOf(type)]));
  try {
    return yield* evaluate(nodes, values, { opset, feeds, options });
  } catch (error) {
    // Not the model's fault: an aborted signal, or session options.
    if (!(error instanceof GlobalPercError && error.code === 'runtime')) throw error;
    const shapes = Array.from(inputs.values(), ({ shape }) => `[${shape}]`).join(', ');
    const reason = error.message.replace(/\s+/g, ' ').trim();
    throw new GlobalPercError(`the model does not run on an input of shape ${shapes}: ${reason}`, {
      code: 'invalid-argument',
      cause: error,
    });
  }
}

/** Any data will do, since shapes alone are learnt: ones, which are valid indices too; images of medium grey. */
function sampleOf({ dtype, shape }: TensorType): HostTensor {
  const sample = isDifferentiable(dtype) ? 0.5 : 1;
  const { bytes } = constantOf(dtype, shape, new Float32Array(sizeOf(shape)).fill(sample));
  return { dtype, dims: shape, data: typedArray(dtype, bytes) };
}

/** Builds the static graph: data-dependent nodes with types, everything else as constants. */
function rebuild(
  nodes: readonly Node[],
  inputs: ReadonlyMap<Value, TensorType>,
  dependent: ReadonlySet<Value>,
  probed: Probed,
): Specialized {
  const graph = createGraph();
  const copies = new Map<Value, Tensor>(
    Array.from(inputs, ([input, { dtype, shape }]) => [input, graph.input(input.name, dtype, shape)]),
  );
  const copyOf = (value: Value): Tensor => {
    const known = copies.get(value);
    if (known) return known;
    const constant = value.constant ?? probed.constants.get(value);
    if (constant === undefined) throw new Error(`'${value.name}' was not captured while specialising`);
    const copy = graph.constant(constant, value.name);
    copies.set(value, copy);
    return copy;
  };
  for (const node of nodes) {
    if (!node.outputs.some((output) => output && dependent.has(output))) continue;
    const inputs = node.inputs.map((value) => value && copyOf(value));
    const outputs = graph.emit(node.op, inputs, node.attributes, {
      outputs: node.outputs.length,
      domain: node.domain,
      name: node.name,
      modulePath: node.modulePath,
      ...(operatorOf(node) ? {} : { types: measuredTypes(node, probed) }),
    });
    node.outputs.forEach((value, i) => {
      const copy = outputs[i];
      if (!value || !copy) return;
      requireMeasured(node, copy, probed.shapes.get(value));
      copies.set(value, copy);
    });
  }
  return { graph, valueOf: (original) => copyOf(original).value };
}

/** A rule that infers another shape than the model has would make every gradient behind it wrong. */
function requireMeasured(node: Node, inferred: Tensor, measured: Shape | undefined): void {
  if (measured === undefined || sameShape(inferred.shape, measured)) return;
  throw new GlobalPercError(
    `${describeNode(node)}: its output has shape [${measured}] when the model runs, and [${inferred.shape}] by the operator's ` +
      'rule; hook only modules before it, and report this',
    { code: 'unsupported-operator' },
  );
}

const measuredTypes = (node: Node, probed: Probed): TensorType[] =>
  node.outputs.map((value) => ({
    dtype: (value && probed.dtypes.get(value)) ?? 'float32',
    shape: (value && probed.shapes.get(value)) ?? [],
  }));
