/** PyTorch's elementwise losses, with the interface of every loss here; each may also serve as `lossFunc` of a hook. */
import type { Tensor } from '../graph/index.js';
import { l1Loss, mseLoss, type Reduction, smoothL1Loss } from './distances.js';
import { type Comparison, Loss, type LossOptions } from './loss.js';

/** Options of the elementwise losses. */
export interface PixelLossOptions extends LossOptions {
  /** `'none'` is meaningful only inside another graph. Default `'mean'`. */
  readonly reduction?: Reduction;
}

abstract class PixelLoss extends Loss {
  readonly reduction: Reduction;

  constructor({ reduction = 'mean', ...options }: PixelLossOptions = {}) {
    super(options);
    this.reduction = reduction;
  }

  /** The loss as a graph: shapes of input and target are the same; the result is a scalar unless reduction is 'none'. */
  abstract forward(input: Tensor, target: Tensor): Tensor;

  protected override async features(image: Tensor): Promise<Tensor[]> {
    return [image];
  }

  protected override compare([prediction]: readonly Tensor[], [target]: readonly Tensor[]): Comparison {
    return { loss: this.forward(prediction as Tensor, target as Tensor), hooks: [] };
  }
}

/** mean |x − y| (https://pytorch.org/docs/stable/generated/torch.nn.L1Loss.html) */
export class L1Loss extends PixelLoss {
  override forward(input: Tensor, target: Tensor): Tensor {
    return l1Loss(input, target, this.reduction);
  }
}

/** mean (x − y)² (https://pytorch.org/docs/stable/generated/torch.nn.MSELoss.html) */
export class MSELoss extends PixelLoss {
  override forward(input: Tensor, target: Tensor): Tensor {
    return mseLoss(input, target, this.reduction);
  }
}

/** Options of SmoothL1Loss. */
export interface SmoothL1LossOptions extends PixelLossOptions {
  /** Where the quadratic part ends; not negative, 0 gives the L1 loss. Default 1. */
  readonly beta?: number;
}

/**
 * d²/2β where |d| < β, |d| − β/2 elsewhere, d = x − y
 * (https://pytorch.org/docs/stable/generated/torch.nn.SmoothL1Loss.html)
 */
export class SmoothL1Loss extends PixelLoss {
  readonly beta: number;

  constructor({ beta = 1, ...options }: SmoothL1LossOptions = {}) {
    super(options);
    this.beta = beta;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return smoothL1Loss(input, target, this.reduction, this.beta);
  }
}
