/**
 * Makes an imported graph static for one input shape, by running it once in ONNX Runtime: every intermediate's shape is
 * fetched, and whatever does not depend on the input's data becomes a constant (shape arithmetic, interpolated position
 * embeddings, masks). Nothing after this pass deals with unknown dimensions.
 */
import {
  type ConstantData,
  constantOf,
  type DataType,
  GlobalPercError,
  Graph,
  isDifferentiable,
  type Node,
  numbersOf,
  readsOnlyShape,
  type Shape,
  sizeOf,
  type Tensor,
  type TensorType,
  typedArray,
  type Value,
} from '../graph/index.js';
import { createGraph, operatorOf, requiredOpset } from '../ops/index.js';
import { type HostTensor, Session, type SessionOptions, type Steps } from '../runtime/index.js';
import { resolveControlFlow } from './control-flow.js';
import { constantFrom } from './fold.js';
import { tooSmall } from './too-small.js';
import { neededNodes } from './transcribe.js';

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
  const resolved = yield* resolveControlFlow(neededNodes(graph, wanted, new Map()), {
    dependent: (some) => dataDependent(some, sources),
    evaluate: (some, values) => evaluate(graph, some, values, inputs, options),
  });
  const nodes = neededNodes({ nodes: resolved }, wanted, new Map());
  const dependent = dataDependent(nodes, sources);
  try {
    const probed = yield* probe(graph, nodes, { inputs, dependent, wanted, options });
    return rebuild(nodes, inputs, dependent, probed);
  } catch (error) {
    throw tooSmall(nodes, inputs, error) ?? error;
  }
}

/** Values that change with the data of `sources`; a Shape of them does not. */
function dataDependent(nodes: readonly Node[], sources: readonly Value[]): ReadonlySet<Value> {
  const dependent = new Set(sources);
  for (const node of nodes) {
    if (readsOnlyShape(node)) continue;
    const depends = operatorOf(node)?.random || node.inputs.some((value) => value && dependent.has(value));
    if (depends) for (const output of node.outputs) if (output) dependent.add(output);
  }
  return dependent;
}

interface Probe {
  readonly inputs: ReadonlyMap<Value, TensorType>;
  readonly dependent: ReadonlySet<Value>;
  readonly wanted: readonly Value[];
  readonly options: SessionOptions;
}

interface Probed {
  readonly shapes: ReadonlyMap<Value, Shape>;
  readonly constants: ReadonlyMap<Value, ConstantData>;
  /** Element types of the outputs of operators that have no entry. */
  readonly dtypes: ReadonlyMap<Value, DataType>;
}

/** Runs the model once, with a Shape node behind every data-dependent value. */
function* probe(graph: Graph, nodes: Node[], { inputs, dependent, wanted, options }: Probe): Steps<Probed> {
  const measured = nodes
    .flatMap((node) => node.outputs)
    .filter((value): value is Value => !!value && dependent.has(value));
  const unknown = nodes
    .filter((node) => !operatorOf(node))
    .flatMap((node) => node.outputs)
    .filter((value) => value && dependent.has(value));
  const frontier = constantFrontier(nodes, dependent, wanted);

  const program = programOf(nodes, inputs);
  const shapeOutputs = measured.map((value) => {
    const output: Value = { name: `${value.name}.shape`, dtype: 'int64', shape: [-1] };
    program.nodes.push({
      op: 'Shape',
      domain: '',
      name: output.name,
      inputs: [value],
      outputs: [output],
      attributes: {},
    });
    return output;
  });
  const fetched = [...new Set([...frontier, ...(unknown as Value[])])];
  program.outputs = [...shapeOutputs, ...fetched];

  const results = yield* runProbe(program, requiredOpset(graph), options);
  const tensor = (value: Value): HostTensor => results[value.name] as HostTensor;
  return {
    shapes: new Map(measured.map((value, i) => [value, numbersOf(constantFrom(tensor(shapeOutputs[i] as Value)))])),
    constants: new Map(frontier.map((value) => [value, constantFrom(tensor(value))])),
    dtypes: new Map(fetched.map((value) => [value, tensor(value).dtype])),
  };
}

/** The nodes as a program of their own, with inputs of static types. */
function programOf(nodes: readonly Node[], inputs: ReadonlyMap<Value, TensorType>): Graph {
  const program = new Graph(() => []);
  const runInputs = new Map(Array.from(inputs, ([value, type]) => [value, { name: value.name, ...type }]));
  program.inputs = [...runInputs.values()];
  program.nodes = nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((value) => (value && runInputs.get(value)) ?? value),
  }));
  return program;
}

/** What some values are that do not depend on the input's data, by running what computes them. */
function* evaluate(
  graph: Graph,
  nodes: readonly Node[],
  values: readonly Value[],
  inputs: ReadonlyMap<Value, TensorType>,
  options: SessionOptions,
): Steps<ReadonlyMap<Value, ConstantData>> {
  const program = programOf(neededNodes({ nodes }, values, new Map()), inputs);
  program.outputs = [...values];
  const results = yield* runProbe(program, requiredOpset(graph), options);
  return new Map(values.map((value) => [value, constantFrom(results[value.name] as HostTensor)]));
}

/** Values computed from constants and shapes alone that a data-dependent node reads, or that are wanted themselves. */
function constantFrontier(nodes: readonly Node[], dependent: ReadonlySet<Value>, wanted: readonly Value[]): Value[] {
  const readers = nodes.filter((node) => node.outputs.some((output) => output && dependent.has(output)));
  const read = new Set<Value | undefined>([...readers.flatMap((node) => node.inputs), ...wanted]);
  const computed = nodes.flatMap((node) => node.outputs);
  return computed.filter((value): value is Value => !!value && read.has(value) && !dependent.has(value));
}

function* runProbe(program: Graph, opset: number, options: SessionOptions): Steps<Record<string, HostTensor>> {
  try {
    const feeds = Object.fromEntries(program.inputs.map((input) => [input.name, sampleOf(input as TensorType)]));
    return yield* Session.runOnce(program, opset, feeds, options);
  } catch (error) {
    // Not the model's fault: an aborted signal, or session options.
    if (!(error instanceof GlobalPercError && error.code === 'runtime')) throw error;
    const shapes = program.inputs.map(({ shape }) => `[${shape}]`).join(', ');
    const reason = error.message.replace(/\s+/g, ' ').trim();
    throw new GlobalPercError(`the model does not run on an input of shape ${shapes}: ${reason}`, { cause: error });
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
      const shape = probed.shapes.get(value);
      if (shape) copy.value.shape = shape;
      copies.set(value, copy);
    });
  }
  return { graph, valueOf: (original) => copyOf(original).value };
}

const measuredTypes = (node: Node, probed: Probed): TensorType[] =>
  node.outputs.map((value) => ({
    dtype: (value && probed.dtypes.get(value)) ?? 'float32',
    shape: (value && probed.shapes.get(value)) ?? [],
  }));
