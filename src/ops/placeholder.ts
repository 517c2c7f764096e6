/**
 * A node that stands for a piece of graph which is written once the types of its inputs are known: the call of a module that has
 * taken the place of another in an imported model. Copying a graph writes the piece in its place.
 */
import { INTERNAL_DOMAIN, makeNode, type Node, type Tensor, type Value } from '../graph/index.js';
import { defineOp } from './define.js';

/** The types are those of the piece. As it may change later – its weights may train –, it is never folded. */
export const Placeholder = defineOp({
  infer: ({ node }, ...inputs) => {
    const { graph } = inputs[0] as Tensor;
    const count = graph.nodes.length;
    try {
      return (expanded(node, inputs) as Tensor[]).map(({ dtype, shape }) => ({ dtype, shape }));
    } finally {
      graph.nodes.length = count;
    }
  },
  random: true,
});

/** A node that stands for what `expand` makes of its inputs. */
export const placeholder = (
  name: string,
  modulePath: string,
  inputs: readonly Value[],
  output: Value,
  expand: (inputs: readonly Tensor[]) => Tensor,
): Node =>
  makeNode({
    op: 'Placeholder',
    domain: INTERNAL_DOMAIN,
    name,
    modulePath,
    inputs,
    outputs: [output],
    expansion: (given) => [expand(given as readonly Tensor[])],
  });

/** What a placeholder stands for; undefined for any other node. */
export const expanded = ({ expansion }: Node, inputs: readonly (Tensor | undefined)[]): Tensor[] | undefined =>
  expansion?.(inputs as readonly Tensor[]) as Tensor[] | undefined;
