/**
 * The checker of graphs: what every pass may rely on and has to keep. A graph that fails is a defect of ours. It costs time,
 * so it is off; the tests switch it on for everything that is compiled in them.
 */
import { describeNode, type Node, type Value } from './graph.js';
import type { Graph } from './tensor.js';
import { byteLengthOf, type ConstantData, sameShape, type TensorType } from './types.js';

let checking = false;

/** Whether `checked` checks. */
export function checkGraphs(on: boolean): void {
  checking = on;
}

/** The graph, checked while that is switched on. @param after What was done to it, for messages. */
export function checked<G extends Graph>(graph: G, after: string): G {
  if (checking) checkGraph(graph, after);
  return graph;
}

/**
 * Checks that inputs and outputs have names of their own, that nodes stand in topological order, that `producer` is true, and
 * that every type that is known is the inferred one.
 * @throws Error naming the value or node.
 */
export function checkGraph(graph: Graph, after = 'building it'): void {
  const fail = (what: string): never => {
    throw new Error(`defect: the graph is wrong after ${after}: ${what}`);
  };
  checkInterface(graph, fail);
  const ready = new Set<Value>(graph.inputs);
  for (const node of graph.nodes) {
    checkReads(node, ready, fail);
    checkOutputs(node, ready, fail);
    checkTypes(graph, node, fail);
  }
  for (const output of graph.outputs)
    if (!ready.has(output) && output.constant === undefined) fail(`nothing computes the output '${output.name}'`);
}

type Fail = (what: string) => never;

function checkInterface({ inputs, outputs }: Graph, fail: Fail): void {
  const names = new Map<string, Value>();
  for (const value of [...inputs, ...outputs]) {
    const other = names.get(value.name);
    if (other !== undefined && other !== value) fail(`two inputs or outputs are called '${value.name}'`);
    names.set(value.name, value);
  }
  for (const input of inputs) {
    if (input.producer) fail(`the input '${input.name}' is computed by ${describeNode(input.producer)}`);
    if (input.constant) fail(`the input '${input.name}' is a constant`);
  }
}

function checkReads(node: Node, ready: ReadonlySet<Value>, fail: Fail): void {
  for (const input of node.inputs) {
    if (input === undefined) continue;
    if (input.constant) checkConstant(input, input.constant, node, fail);
    else if (!ready.has(input)) fail(`${describeNode(node)} reads '${input.name}', which nothing before it computes`);
  }
}

function checkConstant({ name, producer, dtype, shape }: Value, constant: ConstantData, node: Node, fail: Fail): void {
  const where = `the constant '${name}' that ${describeNode(node)} reads`;
  if (producer) fail(`${where} is computed by ${describeNode(producer)}`);
  if (dtype && dtype !== constant.dtype) fail(`${where} is called ${dtype} and holds ${constant.dtype}`);
  if (shape && !sameShape(shape, constant.shape)) fail(`${where} has shape [${shape}] and holds [${constant.shape}]`);
  if (!constant.place && constant.bytes.length !== byteLengthOf(constant))
    fail(`${where} holds ${constant.bytes.length} bytes instead of ${byteLengthOf(constant)}`);
}

function checkOutputs(node: Node, ready: Set<Value>, fail: Fail): void {
  for (const output of node.outputs) {
    if (output === undefined) continue;
    if (output.constant) fail(`${describeNode(node)} computes '${output.name}', which is a constant`);
    if (ready.has(output)) fail(`${describeNode(node)} computes '${output.name}', which is there before`);
    if (output.producer !== node) {
      const other = output.producer ? describeNode(output.producer) : 'nothing';
      fail(`${describeNode(node)} computes '${output.name}', whose producer is ${other}`);
    }
    ready.add(output);
  }
}

/** Types of an imported graph are unknown until it is specialised. */
function checkTypes(graph: Graph, node: Node, fail: Fail): void {
  const isTyped = (value: Value | undefined): boolean => value === undefined || typeOf(value) !== undefined;
  if (!node.inputs.every(isTyped) || !node.outputs.some((output) => output && typeOf(output))) return;
  const inferred = graph.infer(node);
  if (inferred === undefined) return;
  for (const [i, output] of node.outputs.entries()) {
    const [known, right] = [output && typeOf(output), inferred[i]];
    if (output === undefined || known === undefined) continue;
    if (right === undefined) fail(`${describeNode(node)} has no output ${i}`);
    else if (known.dtype !== right.dtype || !sameShape(known.shape, right.shape)) {
      const types = `${known.dtype}[${known.shape}], inferred is ${right.dtype}[${right.shape}]`;
      fail(`${describeNode(node)}: its output '${output.name}' is ${types}`);
    }
  }
}

const typeOf = ({ dtype, shape }: Value): TensorType | undefined => (dtype && shape ? { dtype, shape } : undefined);
