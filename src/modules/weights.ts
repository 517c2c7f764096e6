/** Which constants of a model are weights. */
import type { Node, Value } from '../graph/index.js';

/** Inputs that hold float constants which are no weights: statistics, scales, limits. */
const FIXED_INPUTS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [3, 4],
  Resize: [1, 2],
  Pad: [2],
  Clip: [1, 2],
  Range: [0, 1, 2],
  OneHot: [2],
};

/** The float32 weights of one dimension or more that some nodes read. */
export function weightsOf(nodes: readonly Node[]): Set<Value> {
  const found = new Set<Value>();
  for (const node of nodes) {
    for (const [i, input] of node.inputs.entries()) {
      const isFloat = input?.constant?.dtype === 'float32' && !input.literal && input.constant.shape.length > 0;
      if (input && isFloat && !FIXED_INPUTS[node.op]?.includes(i)) found.add(input);
    }
  }
  return found;
}

/** A convolution whose weight TorchScript's exporter computed anew, with the BatchNorm behind it. */
export const mergedBatchNorm = (nodes: readonly Node[]): boolean =>
  nodes.some(({ op, inputs }) => op.startsWith('Conv') && /^onnx::Conv\w*_\d+$/.test(inputs[1]?.name ?? ''));
