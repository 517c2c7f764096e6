/** Pooling into as many parts as the output has elements, as layers. */
import type { Tensor } from '../../graph/index.js';
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
} from '../functional/adaptive-pooling.js';
import { Module } from '../module.js';
import { type AdaptiveSize, imagePattern, requireShape, sizesOrNull } from '../sizes.js';

/** What the adaptive pools share. */
abstract class AdaptivePool extends Module {
  readonly outputSize: readonly (number | null)[];

  /** @throws GlobalPercError unless all sizes are positive integers or null. */
  constructor(axes: number, outputSize: AdaptiveSize) {
    super();
    this.outputSize = sizesOrNull(axes)(outputSize, `${this.className}: outputSize`);
  }

  /** @throws GlobalPercError on another rank. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, imagePattern(this.outputSize.length));
    return this.pooled(x);
  }

  protected abstract pooled(x: Tensor): Tensor;
}

/**
 * Means of as many parts of `[B, C, L]` as the output has elements; null keeps a size
 * (https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool1d.html).
 */
export class AdaptiveAvgPool1d extends AdaptivePool {
  static readonly className = 'AdaptiveAvgPool1d';
  constructor(outputSize: AdaptiveSize) {
    super(1, outputSize);
  }
  protected override pooled(x: Tensor): Tensor {
    return adaptiveAvgPool1d(x, this.outputSize);
  }
}

/**
 * Means of as many parts of `[B, C, H, W]` as the output has elements; null keeps a size
 * (https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html).
 */
export class AdaptiveAvgPool2d extends AdaptivePool {
  static readonly className = 'AdaptiveAvgPool2d';
  constructor(outputSize: AdaptiveSize) {
    super(2, outputSize);
  }
  protected override pooled(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.outputSize);
  }
}

/**
 * Means of as many parts of `[B, C, D, H, W]` as the output has elements; null keeps a size
 * (https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool3d.html).
 */
export class AdaptiveAvgPool3d extends AdaptivePool {
  static readonly className = 'AdaptiveAvgPool3d';
  constructor(outputSize: AdaptiveSize) {
    super(3, outputSize);
  }
  protected override pooled(x: Tensor): Tensor {
    return adaptiveAvgPool3d(x, this.outputSize);
  }
}

/**
 * Maxima of as many parts of `[B, C, L]` as the output has elements; null keeps a size
 * (https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool1d.html).
 */
export class AdaptiveMaxPool1d extends AdaptivePool {
  static readonly className = 'AdaptiveMaxPool1d';
  constructor(outputSize: AdaptiveSize) {
    super(1, outputSize);
  }
  protected override pooled(x: Tensor): Tensor {
    return adaptiveMaxPool1d(x, this.outputSize);
  }
}

/**
 * Maxima of as many parts of `[B, C, H, W]` as the output has elements; null keeps a size
 * (https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool2d.html).
 */
export class AdaptiveMaxPool2d extends AdaptivePool {
  static readonly className = 'AdaptiveMaxPool2d';
  constructor(outputSize: AdaptiveSize) {
    super(2, outputSize);
  }
  protected override pooled(x: Tensor): Tensor {
    return adaptiveMaxPool2d(x, this.outputSize);
  }
}

/**
 * Maxima of as many parts of `[B, C, D, H, W]` as the output has elements; null keeps a size
 * (https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool3d.html).
 */
export class AdaptiveMaxPool3d extends AdaptivePool {
  static readonly className = 'AdaptiveMaxPool3d';
  constructor(outputSize: AdaptiveSize) {
    super(3, outputSize);
  }
  protected override pooled(x: Tensor): Tensor {
    return adaptiveMaxPool3d(x, this.outputSize);
  }
}
