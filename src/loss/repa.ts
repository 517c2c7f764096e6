/** Alignment of patches with those of a pretrained encoder. */
import type { Tensor } from '../graph/index.js';
import { checkOptions } from '../options/index.js';
import { channelAxis, normalize, ReducedDistance, type Reduction } from './distances.js';
import { REDUCED, type ReductionOptions } from './gram.js';

/**
 * −cos(A, B) of each patch, over the channels of tokens `[B, N, C]` or maps `[B, C, …]`, both divided by max(‖·‖, 10⁻¹²): −1 where they agree. With
 * `projector: 'mlp'` in front of it, it is REPA's loss (Yu et al. 2024, https://arxiv.org/abs/2410.06940).
 */
export class REPALoss extends ReducedDistance {
  readonly reduction: Reduction;

  /** @throws GlobalPercError on an unknown option or reduction. */
  constructor(options: ReductionOptions = {}) {
    super();
    this.reduction = checkOptions(options, REDUCED, 'REPALoss').reduction ?? 'mean';
  }

  /** In the rank of the input, with 1 for its channels. */
  elements(input: Tensor, target: Tensor): Tensor {
    const axis = channelAxis(input.shape);
    return normalize(input, axis).mul(normalize(target, axis)).sum([axis], true).neg();
  }

  protected override distances(input: Tensor, target: Tensor): Tensor {
    return this.elements(input, target);
  }
}
