/** The table of operators, and the graph constructor that infers types with it. */
import {
  attributesOf,
  describeNode,
  GlobalPercError,
  type Graph,
  GraphBuilder,
  INTERNAL_DOMAIN,
  type InferFunction,
  isDifferentiable,
  type Node,
  type Value,
} from '../graph/index.js';
import * as activation from './activation.js';
import * as arithmetic from './arithmetic.js';
import { Attention, AttentionGrad } from './attention.js';
import * as comparison from './comparison.js';
import * as conv from './conv.js';
import type { OpDefinition } from './define.js';
import { Detach } from './detach.js';
import * as elementwise from './elementwise.js';
import * as fourier from './fourier.js';
import * as indexing from './indexing.js';
import * as linear from './linear.js';
import * as norm from './norm.js';
import * as pad from './pad.js';
import { Placeholder } from './placeholder.js';
import * as pool from './pool.js';
import * as recurrent from './recurrent.js';
import * as reduce from './reduce.js';
import * as resize from './resize.js';
import * as sample from './sample.js';
import * as shape from './shape.js';
import * as softmax from './softmax.js';
import * as sources from './sources.js';

const families: Readonly<Record<string, OpDefinition>>[] = [
  activation,
  arithmetic,
  comparison,
  conv,
  elementwise,
  fourier,
  indexing,
  linear,
  norm,
  pad,
  pool,
  recurrent,
  reduce,
  resize,
  sample,
  shape,
  softmax,
  sources,
];

/** Every operator of the standard domain that is known, by its ONNX name. */
export const operators: ReadonlyMap<string, OpDefinition> = new Map(
  families.flatMap((family) => Object.entries(family)),
);

/** Those of the internal domain. */
const internal: ReadonlyMap<string, OpDefinition> = new Map(
  Object.entries({ Attention, AttentionGrad, Detach, Placeholder }),
);

/** The entry of a node's operator, if there is one. */
export function operatorOf(node: Node): OpDefinition | undefined {
  if (node.domain === INTERNAL_DOMAIN) return internal.get(node.op);
  return node.domain === '' ? operators.get(node.op) : undefined;
}

/** Known operators without a rule (comparisons, rounding, shapes, Detach) stop the gradient; unknown ones do not. */
export function stopsGradient(node: Node): boolean {
  const operator = operatorOf(node);
  return operator !== undefined && operator.vjp === undefined;
}

/** True for the values that can have a gradient. */
export const carriesGradient = ({ dtype }: Value): boolean => dtype !== undefined && isDifferentiable(dtype);

const infer: InferFunction = (node, inputs) => {
  const operator = operatorOf(node);
  if (operator === undefined) return undefined;
  const context = { attributes: attributesOf(node), node, outputCount: node.outputs.length };
  try {
    const types = operator.infer(context, ...(inputs as Parameters<OpDefinition['infer']>[1][]));
    return 'dtype' in types ? [types] : types;
  } catch (error) {
    if (!(error instanceof GlobalPercError)) throw error;
    const got = inputs.map((input) => (input ? `${input.dtype}[${input.shape}]` : 'none')).join(', ');
    const { code } = error;
    throw new GlobalPercError(`${describeNode(node)} with inputs ${got}: ${error.message}`, { code, cause: error });
  }
};

/** An empty graph that knows all operators. */
export const createGraph = (): Graph => new GraphBuilder(infer);

/** Operator set every graph of ours is written for, unless an operator is newer. */
const BASE_OPSET = 20;

/** The lowest operator set that holds all operators of a graph. */
export const requiredOpset = (graph: Graph): number =>
  graph.nodes.reduce((opset, node) => Math.max(opset, operatorOf(node)?.since ?? 0), BASE_OPSET);
