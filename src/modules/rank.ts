/** Number of spatial dimensions of a value, told from the operators around it: imported models have no shapes yet. */
import { attributesOf, type Node, type Value } from '../graph/index.js';
import type { DataFlow } from './data-flow.js';

/** Images are what this library is for. */
const USUAL = 2;

/** Operators behind which only batch and features are left. */
const FLAT = new Set(['Gemm', 'Flatten']);

/** Operators that may change the rank in ways not followed here. */
const OPAQUE = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Gather', 'MatMul', 'Einsum', 'ReduceMean', 'ReduceSum']);

/** 1, 2 or 3: the `d` of the PyTorch classes that come in these kinds. */
export function spatialRank(node: Node, flow: DataFlow): number {
  return ownRank(node) ?? rankOf(node.inputs[0], flow) ?? USUAL;
}

/** What a convolution's weight or a pooling's kernel says. */
function ownRank(node: Node): number | undefined {
  const kernel = attributesOf(node).ints('kernel_shape')?.length;
  const weight = node.op.startsWith('Conv') ? node.inputs[1]?.constant?.shape.length : undefined;
  return kernel ?? (weight === undefined ? undefined : weight - 2);
}

/** Follows the data back to an operator or an input of known rank. */
function rankOf(value: Value | undefined, flow: DataFlow): number | undefined {
  let at = value;
  while (at) {
    if (at.declaredShape) return clamp(at.declaredShape.length - 2);
    if (at.producer === undefined) return undefined;
    const { main: node, nodes }: NonNullable<Node['rewriting']> = at.producer.rewriting ?? {
      main: at.producer,
      nodes: [at.producer],
    };
    if (OPAQUE.has(node.op)) return undefined;
    if (FLAT.has(node.op)) return 1;
    const own = ownRank(node) ?? permuted(node);
    if (own !== undefined) return own;
    at = nodes.flatMap(({ inputs }) => inputs).find((input) => flow.depends(input));
  }
  return undefined;
}

const permuted = (node: Node): number | undefined => {
  const permutation = attributesOf(node).ints('perm');
  return permutation && clamp(permutation.length - 2);
};

/** A feature vector counts as one-dimensional: BatchNorm1d takes both. */
const clamp = (rank: number): number => Math.min(3, Math.max(1, rank));
