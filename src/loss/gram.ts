/** Style: which features occur together, wherever in the image that is. */
import { GlobalPercError, type Tensor } from '../graph/index.js';
import { type Checks, checkOptions } from '../options/index.js';
import { REDUCTION, ReducedDistance, type Reduction } from './distances.js';

/** Options of the distances that have no others. */
export interface ReductionOptions {
  /** Default `'mean'`. */
  readonly reduction?: Reduction;
}

export const REDUCED: Checks<ReductionOptions> = { reduction: REDUCTION };

/**
 * (G(A) − G(B))² of Gram matrices G = F·Fᵀ/(C·N), where F `[C, N]` holds C features at N places. `'mean'` is over batch
 * and matrix, `'sum'` with a batch of one the squared Frobenius norm. Activations are `[B, C, …]` with any space behind
 * the channels; those of rank 3 are tokens `[B, N, C]`, those of rank 2 one place. Prediction and target keep what they
 * show, but not where: take it for the style of some hooks, beside another distance or loss for the content
 * (Gatys, Ecker and Bethge 2016, https://doi.org/10.1109/CVPR.2016.265; the factor 1/(C·H·W) is that of Johnson,
 * Alahi and Fei-Fei 2016, https://arxiv.org/abs/1603.08155).
 */
export class GramLoss extends ReducedDistance {
  readonly reduction: Reduction;

  /** @throws GlobalPercError on an unknown option or reduction. */
  constructor(options: ReductionOptions = {}) {
    super();
    this.reduction = checkOptions(options, REDUCED, 'GramLoss').reduction ?? 'mean';
  }

  /** `[B, C·C]`: style has no place. */
  elements(input: Tensor, target: Tensor): Tensor {
    return this.distances(input, target).reshape([input.dim(0), -1]);
  }

  /** @throws GlobalPercError when there are no features, as in activations of rank 1. */
  protected override distances(input: Tensor, target: Tensor): Tensor {
    return gram(input).sub(gram(target)).square();
  }
}

/** F·Fᵀ/(C·N) `[B, C, C]`. */
function gram(x: Tensor): Tensor {
  if (x.rank < 2) {
    throw new GlobalPercError(`a Gram matrix needs activations [B, C, …] or [B, N, C], got shape [${x.shape}]`, {
      code: 'invalid-option',
    });
  }
  const features = x.rank === 3 ? x.swapAxes(1, 2) : x.reshape([x.dim(0), x.dim(1), -1]);
  // Scaled first: sums of squares over large maps stay within float32.
  const scaled = features.mul(1 / Math.sqrt(features.dim(1) * features.dim(2)));
  return scaled.matmul(scaled.swapAxes(1, 2));
}
