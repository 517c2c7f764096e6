/** PyTorch's elementwise losses, with the interface of every loss here; each may also serve as `lossFunc` of a hook. */
import { sameShape, type Tensor, type TensorType } from '../graph/index.js';
import { type Checks, checkOptions, number, positive } from '../options/index.js';
import { differentShapes, type LossDescription } from './description.js';
import { l1Loss, mseLoss, REDUCTION, type Reduction, smoothL1Loss } from './distances.js';
import { LOSS, Loss, type LossOptions } from './loss.js';

/** Options of the elementwise losses. */
export interface PixelLossOptions extends LossOptions {
  /** `'none'` is meaningful only inside another graph. Default `'mean'`. */
  readonly reduction?: Reduction;
}

export const PIXEL: Checks<PixelLossOptions> = { ...LOSS, reduction: REDUCTION };

/** A loss of two tensors as they are. */
export abstract class PixelLoss extends Loss {
  readonly reduction: Reduction;
  readonly description: LossDescription<Tensor> = {
    // biome-ignore-start lint/correctness/useYield: nothing to ask the engine
    *prediction({ output }) {
      return output;
    },
    *target({ target }) {
      return target;
    },
    // biome-ignore-end lint/correctness/useYield: nothing to ask the engine
    targetType: (output) => this.targetType(output),
    compare: (prediction, target, scene) => {
      if (!this.comparable(prediction, target)) throw differentShapes(scene.output.shape, scene.targetShape);
      return { loss: this.forward(prediction, target), hooks: [] };
    },
  };

  /** @throws GlobalPercError on an unknown option or a value of the wrong type. */
  constructor(given: PixelLossOptions = {}) {
    const { reduction = 'mean', ...options } = checkOptions(given, PIXEL, new.target.name);
    super(options);
    this.reduction = reduction;
  }

  /** The loss as a graph; the result is a scalar unless reduction is 'none'. */
  abstract forward(input: Tensor, target: Tensor): Tensor;

  /** Type of the target for an input of the given type. */
  protected targetType(input: TensorType): TensorType {
    return input;
  }

  /** Whether the shapes go together. */
  protected comparable(input: Tensor, target: Tensor): boolean {
    return sameShape(input.shape, target.shape);
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

export const SMOOTH_L1: Checks<SmoothL1LossOptions> = { ...PIXEL, beta: number({ least: 0 }) };

/**
 * d²/2β where |d| < β, |d| − β/2 elsewhere, d = x − y
 * (https://pytorch.org/docs/stable/generated/torch.nn.SmoothL1Loss.html)
 */
export class SmoothL1Loss extends PixelLoss {
  readonly beta: number;

  /** @throws GlobalPercError on an unknown option, or when beta is negative. */
  constructor(given: SmoothL1LossOptions = {}) {
    const { beta = 1, ...options } = checkOptions(given, SMOOTH_L1, new.target.name);
    super(options);
    this.beta = beta;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return smoothL1Loss(input, target, this.reduction, this.beta);
  }
}

/** Options of HuberLoss. */
export interface HuberLossOptions extends PixelLossOptions {
  /** Where the quadratic part ends; positive. Default 1. */
  readonly delta?: number;
}

export const HUBER: Checks<HuberLossOptions> = { ...PIXEL, delta: positive };

/** d²/2 where |d| < δ, δ·(|d| − δ/2) elsewhere, d = x − y (https://pytorch.org/docs/stable/generated/torch.nn.HuberLoss.html) */
export class HuberLoss extends PixelLoss {
  readonly delta: number;

  /** @throws GlobalPercError on an unknown option, or when delta is not positive. */
  constructor(given: HuberLossOptions = {}) {
    const { delta = 1, ...options } = checkOptions(given, HUBER, new.target.name);
    super(options);
    this.delta = delta;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return smoothL1Loss(input, target, this.reduction, this.delta).mul(this.delta);
  }
}
