/** Where a network looks: the energy of its activations by place. */
import { GlobalPercError, type Shape, sameShape, type Tensor } from '../graph/index.js';
import { checkOptions } from '../options/index.js';
import { channelAxis, normalize, ReducedDistance, type Reduction, withoutChannels } from './distances.js';
import { REDUCED, type ReductionOptions } from './gram.js';

/**
 * (Q(A) − Q(B))², where Q(A) = q/max(‖q‖, 10⁻¹²) and q is the mean over channels of A² at each place of a sample, one vector. Activations are `[B, C, …]` or
 * tokens `[B, N, C]`; student and teacher may have other numbers of channels, but as many places (activation-based attention transfer, p = 2: Zagoruyko and
 * Komodakis 2017, https://arxiv.org/abs/1612.03928).
 */
export class AttentionTransferLoss extends ReducedDistance {
  readonly reduction: Reduction;

  /** @throws GlobalPercError on an unknown option or reduction. */
  constructor(options: ReductionOptions = {}) {
    super();
    this.reduction = checkOptions(options, REDUCED, 'AttentionTransferLoss').reduction ?? 'mean';
  }

  /** Whether both have the same places. */
  fits(input: Shape, target: Shape): boolean {
    return input.length === target.length && sameShape(withoutChannels(input), withoutChannels(target));
  }

  /** In the rank of the input, with 1 for its channels. @throws GlobalPercError for activations without places. */
  elements(input: Tensor, target: Tensor): Tensor {
    return attention(input).sub(attention(target)).square();
  }

  protected override distances(input: Tensor, target: Tensor): Tensor {
    return this.elements(input, target);
  }
}

function attention(x: Tensor): Tensor {
  if (x.rank < 3) {
    throw new GlobalPercError(
      `AttentionTransferLoss compares places, which an activation [${x.shape}] has none of: hook modules that give [B, C, H, W] or [B, N, C]`,
      { code: 'invalid-option' },
    );
  }
  const energy = x.square().mean([channelAxis(x.shape)], true);
  return normalize(energy.reshape([x.dim(0), -1]), 1).reshape(energy.shape);
}
