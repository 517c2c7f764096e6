/**
 * Calls that do not see the input: of layers on a learnt query, on coordinates, on positions. PyTorch's hooks record
 * them, they count in the weights of all others, and their distance is 0.
 */
import { attributesOf, type Graph, type Node, type Value } from '../graph/index.js';
import { callsOf } from './calls.js';
import { DataFlow } from './data-flow.js';
import type { CallNodes, NodeScopes, ScopeMap } from './types.js';

/** The calls of modules no node of which depends on the input, and the flow of data through them. */
export function constantCalls(graph: Graph, scopes: ScopeMap, flow: DataFlow): readonly [CallNodes[], DataFlow] {
  const found = flow.nodes.flatMap((node) => scopes.get(node) ?? []);
  const around = new Set(found.flatMap((inner) => pathsOf(inner).slice(0, -1)));
  const dependent = new Set(found.flatMap(pathsOf));
  const dependentCalls = new Set(found.map(callKey));
  const isConstant = (node: Node): boolean => {
    const inner = scopes.get(node);
    if (inner === undefined || flow.position(node) >= 0 || !isFloat(node.outputs[0])) return false;
    return !around.has(pathsOf(inner).at(-1) ?? '') && !dependentCalls.has(callKey(inner));
  };
  const rest = new DataFlow(graph, new Set(graph.nodes.filter(isConstant)));
  const calls = callsOf(scopes, rest).filter(({ scope, hasChildren }) => !hasChildren || !dependent.has(scope.path));
  return [calls, rest];
}

const pathsOf = ({ scopes }: NodeScopes): string[] => scopes.map(({ path }) => path);

/** A module may be called on constants once and on data another time. */
const callKey = ({ scopes, instance }: NodeScopes): string => `${scopes.at(-1)?.path} ${instance ?? ''}`;

/** Operators that compute whole numbers or truths whatever they read. */
const COUNTS = /^(Shape|Size|NonZero|ArgM\w+|Equal|Less\w*|Greater\w*|Not|And|Or|Xor|Is\w+)$/;

const FLOAT32 = 1;

/** True for a value of type float32: arithmetic of shapes and indices is no module's output. */
function isFloat(value: Value | undefined): boolean {
  const node = value?.producer;
  if (node === undefined) return (value?.constant?.dtype ?? value?.dtype) === 'float32';
  if (COUNTS.test(node.op)) return false;
  if (node.op === 'Cast') return attributesOf(node).int('to', FLOAT32) === FLOAT32;
  if (node.op === 'ConstantOfShape') return (attributesOf(node).tensor('value')?.dtype ?? 'float32') === 'float32';
  return isFloat(node.inputs[node.op === 'Where' ? 1 : 0]);
}
