/** How much a node computes. */
import { attributesOf } from './attributes.js';
import type { Node, Value } from './graph.js';
import { sizeOf } from './types.js';

/** Multiplications of a convolution or a matrix product; 0 for all else, and where shapes are not known. */
export function multiplicationsOf(node: Node): number {
  const [a, b] = node.inputs;
  const [y] = node.outputs;
  switch (node.op) {
    // A kernel is [out, in / groups, …], of a transposed convolution [in, out / groups, …].
    case 'Conv':
      return elementsOf(y) * sizeOf(b?.shape?.slice(1) ?? []);
    case 'ConvTranspose':
      return elementsOf(a) * sizeOf(b?.shape?.slice(1) ?? []);
    case 'MatMul':
      return elementsOf(y) * (a?.shape?.at(-1) ?? 0);
    case 'Gemm':
      return elementsOf(y) * (a?.shape?.at(attributesOf(node).int('transA', 0) === 1 ? 0 : 1) ?? 0);
    default:
      return 0;
  }
}

/** Elements of a value; 0 where its shape is not known. */
export const elementsOf = (value: Value | undefined): number => (value?.shape ? sizeOf(value.shape) : 0);
