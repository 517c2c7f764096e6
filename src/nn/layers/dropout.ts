/** Random omission in training; in evaluation these layers give their input. */
import type { Tensor } from '../../graph/index.js';
import { alphaDropout, dropout, dropout1d, dropout2d, dropout3d } from '../functional/dropout.js';
import { Module } from '../module.js';
import { imagePattern, probability, requireShape } from '../sizes.js';

/** What the dropouts share. */
abstract class RandomOmission extends Module {
  readonly p: number;

  /** @throws GlobalPercError when p is outside [0, 1]. */
  constructor(p = 0.5) {
    super();
    this.p = probability(p, `${this.className}: p`);
  }

  override forward(x: Tensor): Tensor {
    return this.training ? this.omitted(x) : x;
  }

  protected abstract omitted(x: Tensor): Tensor;
}

/**
 * 0 with probability p and else x/(1 − p) in training; the input in evaluation
 * (https://pytorch.org/docs/stable/generated/torch.nn.Dropout.html).
 */
export class Dropout extends RandomOmission {
  static readonly className = 'Dropout';
  protected override omitted(x: Tensor): Tensor {
    return dropout(x, this.p);
  }
}

/** As Dropout, by whole channels of `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.Dropout1d.html). */
export class Dropout1d extends RandomOmission {
  static readonly className = 'Dropout1d';
  protected override omitted(x: Tensor): Tensor {
    requireShape(this.className, x, imagePattern(1));
    return dropout1d(x, this.p);
  }
}

/** As Dropout, by whole channels of `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.Dropout2d.html). */
export class Dropout2d extends RandomOmission {
  static readonly className = 'Dropout2d';
  protected override omitted(x: Tensor): Tensor {
    requireShape(this.className, x, imagePattern(2));
    return dropout2d(x, this.p);
  }
}

/** As Dropout, by whole channels of `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.Dropout3d.html). */
export class Dropout3d extends RandomOmission {
  static readonly className = 'Dropout3d';
  protected override omitted(x: Tensor): Tensor {
    requireShape(this.className, x, imagePattern(3));
    return dropout3d(x, this.p);
  }
}

/**
 * Keeps mean and variance of what is normalised: for SELU
 * (https://pytorch.org/docs/stable/generated/torch.nn.AlphaDropout.html).
 */
export class AlphaDropout extends RandomOmission {
  static readonly className = 'AlphaDropout';
  protected override omitted(x: Tensor): Tensor {
    return alphaDropout(x, this.p);
  }
}
