/** Pooling over windows, as layers. */
import type { Tensor } from '../../graph/index.js';
import { type Checks, checkOptions, number } from '../../options/index.js';
import {
  avgPool1d,
  avgPool2d,
  avgPool3d,
  lpPool1d,
  lpPool2d,
  lpPool3d,
  maxPool1d,
  maxPool2d,
  maxPool3d,
} from '../functional/pooling.js';
import { Module } from '../module.js';
import { type AvgPoolOptions, type LPPoolOptions, type MaxPoolOptions, poolChecks } from '../options/pooling.js';
import { imagePattern, type PerAxis, perAxis, requireShape } from '../sizes.js';

/** What the pooling layers share. */
abstract class Pool<Options extends object> extends Module {
  readonly kernelSize: readonly number[];
  readonly options: Options;

  /** @throws GlobalPercError unless there is one window size, or one per axis, and on options that do not fit. */
  constructor(axes: number, kernelSize: PerAxis, options: Options, checks: Checks<Options>) {
    super();
    this.kernelSize = perAxis(axes)(kernelSize, `${this.className}: kernelSize`);
    this.options = checkOptions(options, checks, this.className);
  }

  /** @throws GlobalPercError on another rank, and where a window does not fit. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, imagePattern(this.kernelSize.length));
    return this.pooled(x);
  }

  protected abstract pooled(x: Tensor): Tensor;
}

/** Maximum over windows of `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.MaxPool1d.html). */
export class MaxPool1d extends Pool<MaxPoolOptions> {
  static readonly className = 'MaxPool1d';
  constructor(kernelSize: PerAxis, options: MaxPoolOptions = {}) {
    super(1, kernelSize, options, poolChecks.max(1));
  }
  protected override pooled(x: Tensor): Tensor {
    return maxPool1d(x, this.kernelSize, this.options);
  }
}

/** Maximum over windows of `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html). */
export class MaxPool2d extends Pool<MaxPoolOptions> {
  static readonly className = 'MaxPool2d';
  constructor(kernelSize: PerAxis, options: MaxPoolOptions = {}) {
    super(2, kernelSize, options, poolChecks.max(2));
  }
  protected override pooled(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this.options);
  }
}

/** Maximum over windows of `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.MaxPool3d.html). */
export class MaxPool3d extends Pool<MaxPoolOptions> {
  static readonly className = 'MaxPool3d';
  constructor(kernelSize: PerAxis, options: MaxPoolOptions = {}) {
    super(3, kernelSize, options, poolChecks.max(3));
  }
  protected override pooled(x: Tensor): Tensor {
    return maxPool3d(x, this.kernelSize, this.options);
  }
}

/** Mean over windows of `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.AvgPool1d.html). */
export class AvgPool1d extends Pool<AvgPoolOptions> {
  static readonly className = 'AvgPool1d';
  constructor(kernelSize: PerAxis, options: Omit<AvgPoolOptions, 'divisorOverride'> = {}) {
    super(1, kernelSize, options, poolChecks.avg(1));
  }
  protected override pooled(x: Tensor): Tensor {
    return avgPool1d(x, this.kernelSize, this.options);
  }
}

/** Mean over windows of `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html). */
export class AvgPool2d extends Pool<AvgPoolOptions> {
  static readonly className = 'AvgPool2d';
  constructor(kernelSize: PerAxis, options: AvgPoolOptions = {}) {
    super(2, kernelSize, options, poolChecks.avg(2));
  }
  protected override pooled(x: Tensor): Tensor {
    return avgPool2d(x, this.kernelSize, this.options);
  }
}

/** Mean over windows of `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.AvgPool3d.html). */
export class AvgPool3d extends Pool<AvgPoolOptions> {
  static readonly className = 'AvgPool3d';
  constructor(kernelSize: PerAxis, options: AvgPoolOptions = {}) {
    super(3, kernelSize, options, poolChecks.avg(3));
  }
  protected override pooled(x: Tensor): Tensor {
    return avgPool3d(x, this.kernelSize, this.options);
  }
}

/** What the power-average pools share. */
abstract class LPPool extends Pool<LPPoolOptions> {
  readonly normType: number;

  constructor(axes: number, normType: number, kernelSize: PerAxis, options: LPPoolOptions) {
    super(axes, kernelSize, options, poolChecks.lp(axes));
    this.normType = number()(normType, `${this.className}: normType`);
  }
}

/** (Σ xᵖ)^(1/p) over windows of `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.LPPool1d.html). */
export class LPPool1d extends LPPool {
  static readonly className = 'LPPool1d';
  constructor(normType: number, kernelSize: PerAxis, options: LPPoolOptions = {}) {
    super(1, normType, kernelSize, options);
  }
  protected override pooled(x: Tensor): Tensor {
    return lpPool1d(x, this.normType, this.kernelSize, this.options);
  }
}

/** (Σ xᵖ)^(1/p) over windows of `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.LPPool2d.html). */
export class LPPool2d extends LPPool {
  static readonly className = 'LPPool2d';
  constructor(normType: number, kernelSize: PerAxis, options: LPPoolOptions = {}) {
    super(2, normType, kernelSize, options);
  }
  protected override pooled(x: Tensor): Tensor {
    return lpPool2d(x, this.normType, this.kernelSize, this.options);
  }
}

/** (Σ xᵖ)^(1/p) over windows of `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.LPPool3d.html). */
export class LPPool3d extends LPPool {
  static readonly className = 'LPPool3d';
  constructor(normType: number, kernelSize: PerAxis, options: LPPoolOptions = {}) {
    super(3, normType, kernelSize, options);
  }
  protected override pooled(x: Tensor): Tensor {
    return lpPool3d(x, this.normType, this.kernelSize, this.options);
  }
}
