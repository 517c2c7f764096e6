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

/** What a convolution's weights hold besides where an exporter has merged the next module into them. */
export const BATCH_NORM = 'the BatchNorm behind it';

/** Names that tools give to weights they have computed anew, and what they then hold besides. */
const COMPUTED: readonly (readonly [RegExp, string])[] = [
  [/^onnx::Conv\w*_\d+$/, BATCH_NORM],
  [/_fused$|^_v_\d+$/, 'the scale behind it'],
];

/** What an exporter (torch.onnx) or optimiser (onnxslim, onnxsim) multiplied into the weights of a layer. */
export function mergedIntoWeights(nodes: readonly Node[]): string | undefined {
  const names = nodes.filter(({ op }) => /^Conv|^Gemm$/.test(op)).map(({ inputs }) => inputs[1]?.name ?? '');
  return COMPUTED.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1];
}
