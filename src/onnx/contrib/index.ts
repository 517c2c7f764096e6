/**
 * Operators that ONNX Runtime's optimiser writes into files (`com.microsoft`,
 * https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md), and those of the newest operator sets, spelled
 * out in older standard ones. Gradients are known for those alone.
 */
import { type Body, describeNode, GlobalPercError, type Node, neededNodes } from '../../graph/index.js';
import { Draft, type Expansion, type Expansions } from '../draft.js';
import type { NewerOperator } from '../others.js';
import * as activation from './activation.js';
import * as attention from './attention.js';
import * as standardAttention from './attention-standard.js';
import * as fused from './fused.js';
import * as normalization from './normalization.js';
import * as rotary from './rotary.js';

const STANDARD: Readonly<Record<NewerOperator, Expansion>> = {
  ...standardAttention.standard,
  ...normalization.standard,
  ...rotary.standard,
};

const MICROSOFT: Expansions = {
  ...activation.microsoft,
  ...attention.microsoft,
  ...fused.microsoft,
  ...normalization.microsoft,
  ...rotary.microsoft,
};

/** By `domain:operator`; a Map, since a file may name an operator like a property that every object has. */
const EXPANSIONS: ReadonlyMap<string, Expansion> = new Map([
  ...Object.entries(STANDARD).map(([op, expansion]) => [`:${op}`, expansion] as const),
  ...Object.entries(MICROSOFT).map(([op, expansion]) => [`com.microsoft:${op}`, expansion] as const),
]);

/**
 * Replaces, in place, the operators that have an expansion.
 * @throws GlobalPercError where a node uses a form that has none, or where an output needs an operator of another domain.
 */
export function expandContrib(graph: Body, source: string): void {
  const needed = new Set(neededNodes(graph.nodes, graph.outputs));
  const read = new Set([...graph.outputs, ...graph.nodes.flatMap(({ inputs }) => inputs)]);
  graph.nodes = graph.nodes.flatMap((node) => {
    if (!needed.has(node)) return [node];
    for (const { kind, value } of Object.values(node.attributes)) if (kind === 'graph') expandContrib(value, source);
    const expansion = EXPANSIONS.get(`${node.domain}:${node.op}`);
    if (expansion === undefined) return [requireStandard(node, source)];
    node.outputs = node.outputs.map((output) => (read.has(output) ? output : undefined));
    const draft = new Draft(node, source);
    return draft.finishWith(expansion(draft));
  });
}

/** No gradient is known for operators of other domains. @throws GlobalPercError */
function requireStandard(node: Node, source: string): Node {
  if (node.domain === '') return node;
  throw new GlobalPercError(
    `${source}: ${describeNode(node)}: this operator is not known; export the model with standard operators alone, ` +
      "without ONNX Runtime's optimisations or fusions",
    { code: 'unsupported-operator' },
  );
}
