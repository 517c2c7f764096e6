/** PyTorch's elementwise losses, with the interface of every loss here; each may also serve as `lossFunc` of a hook. */
import type { Tensor } from '../graph/index.js';
import { type Checks, checkOptions, number, positive } from '../options/index.js';
import { smoothL1 } from './distances.js';
import { ElementwiseLoss, PIXEL, type PixelLossOptions } from './pixel-loss.js';

/** mean |x − y| (https://pytorch.org/docs/stable/generated/torch.nn.L1Loss.html) */
export class L1Loss extends ElementwiseLoss {
  override elements(input: Tensor, target: Tensor): Tensor {
    return input.sub(target).abs();
  }
}

/** mean (x − y)² (https://pytorch.org/docs/stable/generated/torch.nn.MSELoss.html) */
export class MSELoss extends ElementwiseLoss {
  override elements(input: Tensor, target: Tensor): Tensor {
    return input.sub(target).square();
  }
}

/** Options of SmoothL1Loss. */
export interface SmoothL1LossOptions extends PixelLossOptions {
  /** Where the quadratic part ends; not negative, 0 gives the L1 loss. Default 1. */
  readonly beta?: number;
}

const SMOOTH_L1: Checks<SmoothL1LossOptions> = { ...PIXEL, beta: number({ least: 0 }) };

/**
 * d²/2β where |d| < β, |d| − β/2 elsewhere, d = x − y
 * (https://pytorch.org/docs/stable/generated/torch.nn.SmoothL1Loss.html)
 */
export class SmoothL1Loss extends ElementwiseLoss {
  readonly beta: number;

  /** @throws GlobalPercError on an unknown option, or when beta is negative. */
  constructor(given: SmoothL1LossOptions = {}) {
    const { beta = 1, ...options } = checkOptions(given, SMOOTH_L1, new.target.name);
    super(options);
    this.beta = beta;
  }

  override elements(input: Tensor, target: Tensor): Tensor {
    return smoothL1(input.sub(target), this.beta);
  }
}

/** Options of HuberLoss. */
export interface HuberLossOptions extends PixelLossOptions {
  /** Where the quadratic part ends; positive. Default 1. */
  readonly delta?: number;
}

const HUBER: Checks<HuberLossOptions> = { ...PIXEL, delta: positive };

/** d²/2 where |d| < δ, δ·(|d| − δ/2) elsewhere, d = x − y (https://pytorch.org/docs/stable/generated/torch.nn.HuberLoss.html) */
export class HuberLoss extends ElementwiseLoss {
  readonly delta: number;

  /** @throws GlobalPercError on an unknown option, or when delta is not positive. */
  constructor(given: HuberLossOptions = {}) {
    const { delta = 1, ...options } = checkOptions(given, HUBER, new.target.name);
    super(options);
    this.delta = delta;
  }

  override elements(input: Tensor, target: Tensor): Tensor {
    return smoothL1(input.sub(target), this.delta).mul(this.delta);
  }
}

/** Options of CharbonnierLoss. */
export interface CharbonnierLossOptions extends PixelLossOptions {
  /** Where the loss turns from quadratic to linear; from 10⁻¹⁸ on, so that float32 holds its square. Default 10⁻³. */
  readonly eps?: number;
}

const CHARBONNIER: Checks<CharbonnierLossOptions> = { ...PIXEL, eps: number({ least: 1e-18 }) };

/**
 * √(d² + ε²), d = x − y: the L1 loss, smooth at 0, where it is ε (Charbonnier, Blanc-Féraud, Aubert and Barlaud 1994,
 * https://doi.org/10.1109/ICIP.1994.413553; ε of Lai, Huang, Ahuja and Yang 2017, https://arxiv.org/abs/1704.03915)
 */
export class CharbonnierLoss extends ElementwiseLoss {
  readonly eps: number;

  /** @throws GlobalPercError on an unknown option, or when eps is too small. */
  constructor(given: CharbonnierLossOptions = {}) {
    const { eps = 1e-3, ...options } = checkOptions(given, CHARBONNIER, new.target.name);
    super(options);
    this.eps = eps;
  }

  override elements(input: Tensor, target: Tensor): Tensor {
    return input
      .sub(target)
      .square()
      .add(this.eps ** 2)
      .sqrt();
  }
}
