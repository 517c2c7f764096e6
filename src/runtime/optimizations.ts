/**
 * Which of ONNX Runtime's optimisations a graph is worth. What comes here is simplified and folded already, and each of them walks all nodes:
 * opening a session would take longer than a hundred steps gain.
 */
import { elementsOf, type Graph, multiplicationsOf, type Node } from '../graph/index.js';

/** What ONNX Runtime is told of its optimisations. */
export interface Optimizations {
  /** Level where the caller names none; undefined: ONNX Runtime's own. */
  readonly level: 'disabled' | undefined;
  /** Names of those that are left out. */
  readonly without: readonly string[];
  /** Whether weights are brought into the order in which the kernels read them. */
  readonly repacks: boolean;
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
  ...['MatMulNBitsMlpFusion', 'MatMulNBitsQkvFusion', 'ClipQuantRewrite', 'ReluQuantRewrite'],
  // What simplification has done; each looks at every node, a tenth of the time of opening together.
  ...['ReshapeFusion', 'GatherToSliceFusion', 'GatherSliceToSplitFusion', 'SliceConcatToSpaceToDepthFusion'],
  // Not EliminateIdentity and EliminateDropout: WebGPU has no Identity of whole numbers and no Dropout, which would go to the CPU.
  ...['CastElimination', 'CastChainElimination', 'EliminateSlice'],
  ...['ExpandElimination', 'UnsqueezeElimination', 'NoopElimination', 'PreShapeNodeElimination'],
  'ConstantSharing',
];

/** They write weights anew, in other arrangements: 4.5 GB and 30 s for weights of 3.4 GB. */
const REWRITING = ['ConstantFolding', 'NchwcTransformer'];

/** From this share of the arithmetic on, convolutions are worth their own layout, which takes a third of the time of opening. */
const WORTH_A_LAYOUT = 0.1;

/** A product with this many rows arranges its weight itself in a hundredth of its time. */
const MANY_ROWS = 1024;

/**
 * Convolutions run up to twice as fast in the layout that ONNX Runtime brings them into, and on kernels that it has turned beforehand; a graph of
 * matrix products runs as fast without any optimisation, and opens in 40 % of the time.
 * @param isLarge whether the weights are too large for copies in another arrangement
 */
export function optimizationsFor(graph: Graph, isLarge: boolean): Optimizations {
  const { convolutions, products, weights, weighed } = arithmeticOf(graph.nodes);
  const convolves = convolutions / Math.max(convolutions + products, 1) >= WORTH_A_LAYOUT;
  return {
    level: convolves ? undefined : 'disabled',
    without: isLarge ? [...NEVER, ...REWRITING] : NEVER,
    // Each node has an arrangement of its own: prediction, target and gradient would hold every weight three times more.
    repacks: !convolves && weighed / Math.max(weights, 1) < MANY_ROWS,
  };
}

interface Arithmetic {
  /** Multiplications of convolutions. */
  convolutions: number;
  /** Multiplications of matrix products. */
  products: number;
  /** Those of products with a constant, and the elements of these constants. */
  weighed: number;
  weights: number;
}

function arithmeticOf(nodes: readonly Node[]): Arithmetic {
  const sum: Arithmetic = { convolutions: 0, products: 0, weighed: 0, weights: 0 };
  for (const node of nodes) {
    const multiplications = multiplicationsOf(node);
    if (node.op === 'Conv' || node.op === 'ConvTranspose') sum.convolutions += multiplications;
    else sum.products += multiplications;
    const [, weight] = node.inputs;
    if ((node.op !== 'MatMul' && node.op !== 'Gemm') || !weight?.constant) continue;
    sum.weighed += multiplications;
    sum.weights += elementsOf(weight);
  }
  return sum;
}
