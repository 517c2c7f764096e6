/**
 * Which of ONNX Runtime's optimisations a graph is worth. What comes here is simplified and folded already, and each of them walks all nodes:
 * opening a session would take longer than a hundred steps gain.
 */
import { type Graph, type Node, sizeOf, type Value } from '../graph/index.js';

/** What ONNX Runtime is told of its optimisations. */
export interface Optimizations {
  /** Level where the caller names none; undefined: ONNX Runtime's own. */
  readonly level: 'disabled' | undefined;
  /** Names of those that are left out. */
  readonly without: readonly string[];
}

/** Left out of every graph. */
const NEVER = [
  // Its time grows with the square of the number of nodes (12 of 18 s for a ViT with 61 hooks), and it finds nothing.
  'CommonSubexpressionElimination',
  // It gives a MaxPool the zeros of a Pad as a padding (seen in 1.30), which loses against negative numbers.
  'Pad_Fusion',
  // For quantised graphs and half precision, of which there are none here.
  ...[
    'EnsureUniqueDQForNodeUnit',
    'DoubleQDQPairsRemover',
    'WhereDummyDq',
    'WeightBiasQuantization',
    'MatMulNBitsFusion',
  ],
  ...[
    'QDQPropagationTransformer',
    'QDQSelectorActionTransformer',
    'QDQS8ToU8Transformer',
    'QDQFinalCleanupTransformer',
  ],
  ...['MatMulIntegerToFloatFusion', 'DynamicQuantizeMatMulFusion', 'Avx2WeightS8ToU8Transformer'],
  ...['CastFloat16Transformer', 'FuseFp16InitializerToFp32NodeTransformer', 'RemoveDuplicateCastTransformer'],
  // For the inference of language models, whose attention has another form here.
  ...['AttentionFusion', 'GroupQueryAttentionFusion', 'GroupQueryAttentionPreNormFusion', 'EmbedLayerNormFusion'],
  ...['BiasDropoutFusion', 'BiasSoftmaxFusion', 'BiasGeluFusion', 'FastGeluFusion', 'QuickGeluFusion'],
  ...['BiasSkipLayerNormFusion', 'SkipLayerNormFusion', 'SimplifiedLayerNormFusion'],
  // What simplification has done.
  ...['ReshapeFusion', 'GatherToSliceFusion', 'GatherSliceToSplitFusion', 'SliceConcatToSpaceToDepthFusion'],
  'ConstantSharing',
];

/** They write weights anew, in other arrangements: 4.5 GB and 30 s for weights of 3.4 GB. */
const REWRITING = ['ConstantFolding', 'NchwcTransformer'];

/** From this share of the arithmetic on, convolutions are worth their own layout, which takes a third of the time of opening. */
const WORTH_A_LAYOUT = 0.1;

/**
 * Convolutions run up to twice as fast in the layout that ONNX Runtime brings them into, and on kernels that it has turned beforehand; a graph of
 * matrix products runs as fast without any optimisation, and opens in 40 % of the time.
 * @param isLarge whether the weights are too large for copies in another arrangement
 */
export function optimizationsFor(graph: Graph, isLarge: boolean): Optimizations {
  return {
    level: convolutionShare(graph.nodes) < WORTH_A_LAYOUT ? 'disabled' : undefined,
    without: isLarge ? [...NEVER, ...REWRITING] : NEVER,
  };
}

/** The share of multiplications that convolutions have, of those that convolutions and matrix products have. */
function convolutionShare(nodes: readonly Node[]): number {
  let convolutions = 0;
  let products = 0;
  for (const { op, inputs, outputs, attributes } of nodes) {
    const [x, w] = inputs.map(shapeOf);
    const [y] = outputs.map(shapeOf);
    if (!x || !w || !y) continue;
    // A kernel is [out, in / groups, …], of a transposed convolution [in, out / groups, …].
    if (op === 'Conv') convolutions += sizeOf(y) * sizeOf(w.slice(1));
    if (op === 'ConvTranspose') convolutions += sizeOf(x) * sizeOf(w.slice(1));
    if (op === 'MatMul') products += sizeOf(y) * (x.at(-1) ?? 1);
    if (op === 'Gemm') products += sizeOf(y) * ((attributes.transA?.value ? x[0] : x[1]) ?? 1);
  }
  return convolutions / Math.max(convolutions + products, 1);
}

const shapeOf = (value: Value | undefined): readonly number[] | undefined => value?.shape;
