/** The operators of a file behind the nodes that reading has rewritten them into. */
import type { Node } from '../graph/index.js';
import type { DataFlow } from './data-flow.js';

/** One node for each operator of the file: what reading put before and behind it is no part of what a module does. */
export const operatorsOf = (nodes: readonly Node[]): Node[] =>
  nodes.filter((node) => node.rewriting === undefined || node.rewriting.main === node);

/** True unless some nodes are only a part of an operator of the file. */
export function areWhole(nodes: readonly Node[], flow: DataFlow): boolean {
  const inside = new Set(nodes);
  return nodes.every(({ rewriting }) =>
    (rewriting?.nodes ?? []).every((node) => inside.has(node) || flow.position(node) < 0),
  );
}
