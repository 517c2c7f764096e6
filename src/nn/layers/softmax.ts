/** Softmax as layers. */
import type { Tensor } from '../../graph/index.js';
import { integer } from '../../options/index.js';
import { logSoftmax, softmax, softmin } from '../functional/activation.js';
import { Module } from '../module.js';
import { imagePattern, requireShape } from '../sizes.js';

/** eˣ/Σeˣ along `dim` (https://pytorch.org/docs/stable/generated/torch.nn.Softmax.html) */
export class Softmax extends Module {
  static readonly className = 'Softmax';
  readonly dim: number;
  constructor(dim: number) {
    super();
    this.dim = integer()(dim, `${this.className}: dim`);
  }
  override forward(x: Tensor): Tensor {
    return softmax(x, this.dim);
  }
}

/** e⁻ˣ/Σe⁻ˣ along `dim` (https://pytorch.org/docs/stable/generated/torch.nn.Softmin.html) */
export class Softmin extends Module {
  static readonly className = 'Softmin';
  readonly dim: number;
  constructor(dim: number) {
    super();
    this.dim = integer()(dim, `${this.className}: dim`);
  }
  override forward(x: Tensor): Tensor {
    return softmin(x, this.dim);
  }
}

/** x − ln Σeˣ along `dim` (https://pytorch.org/docs/stable/generated/torch.nn.LogSoftmax.html) */
export class LogSoftmax extends Module {
  static readonly className = 'LogSoftmax';
  readonly dim: number;
  constructor(dim: number) {
    super();
    this.dim = integer()(dim, `${this.className}: dim`);
  }
  override forward(x: Tensor): Tensor {
    return logSoftmax(x, this.dim);
  }
}

/** eˣ/Σeˣ over the channels of `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.Softmax2d.html) */
export class Softmax2d extends Module {
  static readonly className = 'Softmax2d';
  /** @throws GlobalPercError on another rank. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, imagePattern(2));
    return softmax(x, 1);
  }
}
