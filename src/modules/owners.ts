/** Whose weights a node reads, by the names PyTorch gave them. */
import type { Node } from '../graph/index.js';
import type { DataFlow } from './data-flow.js';

/** Paths of the modules whose weights a node reads: `layer1.0` for `layer1.0.weight`. Made-up names tell nothing. */
export function ownersOf(node: Node, flow: DataFlow): string[] {
  return node.inputs.flatMap((input) => {
    if (input === undefined || flow.depends(input)) return [];
    const owner = /^([\w.-]+)\.\w+$/.exec(input.name)?.[1];
    return owner === undefined ? [] : [owner];
  });
}
