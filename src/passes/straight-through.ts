/**
 * The straight-through estimator of imported models. PyTorch writes x + (q − x).detach() where q is x rounded, or the entry of a
 * codebook next to x: forward it is q, backward x. A file has no `detach`, and as written the gradient would be 0.
 */
import {
  dependents,
  type Graph,
  INTERNAL_DOMAIN,
  insertAfter,
  makeNode,
  type Node,
  readersOf,
  type Value,
} from '../graph/index.js';
import { carriesGradient, stopsGradient } from '../ops/index.js';

/** Operators that move elements and change none: behind them, x is still x. */
const VIEWS = new Set(['Identity', 'Reshape', 'Transpose', 'Flatten', 'Squeeze', 'Unsqueeze', 'Cast']);

/** Detaches, in place, the bracket of every x + (q − x) where q is computed from x and no gradient flows from q to x. */
export function markStraightThrough(graph: Graph): void {
  const readers = readersOf(graph);
  for (const node of [...graph.nodes]) {
    const [q, x] = node.inputs;
    const [bracket] = node.outputs;
    if (node.op !== 'Sub' || !q || !x || !bracket) continue;
    const adders = readers.get(bracket) ?? [];
    const addsX = ({ op, inputs }: Node): boolean => op === 'Add' && inputs.includes(x) && inputs.includes(bracket);
    if (adders.every(addsX) && isQuantized(graph, q, x)) detach(graph, node, bracket, adders);
  }
}

/** True when q depends on x, or on what x is a view of, and through no operator that has a gradient all the way. */
function isQuantized({ nodes }: Graph, q: Value, x: Value): boolean {
  let source = x;
  while (source.producer && VIEWS.has(source.producer.op)) source = source.producer.inputs[0] as Value;
  if (!dependents(nodes, [source]).has(q)) return false;
  const passes = (node: Node, reached: boolean): boolean => reached && !stopsGradient(node);
  return !dependents(nodes, [source], { passes, carries: carriesGradient }).has(q);
}

function detach(graph: Graph, node: Node, bracket: Value, adders: readonly Node[]): void {
  const { name: _, producer: __, ...type } = bracket;
  const detached: Value = { ...type, name: `${bracket.name}.detached` };
  const { name, modulePath } = node;
  const parts = {
    op: 'Detach',
    domain: INTERNAL_DOMAIN,
    name: `${name}.detach`,
    inputs: [bracket],
    outputs: [detached],
  };
  insertAfter(graph, node, makeNode({ ...parts, modulePath }));
  for (const adder of adders) adder.inputs = adder.inputs.map((input) => (input === bracket ? detached : input));
}
