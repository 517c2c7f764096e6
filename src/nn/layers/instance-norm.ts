/** Instance normalisation (Ulyanov, Vedaldi and Lempitsky 2016). */
import type { Tensor } from '../../graph/index.js';
import { instanceNorm } from '../functional/normalization.js';
import type { InstanceNormOptions } from '../options/normalization.js';
import { RunningNorm } from '../running-norm.js';

/** What the instance norms share. */
abstract class InstanceNorm extends RunningNorm {
  constructor(numFeatures: number, options: InstanceNormOptions = {}) {
    super(numFeatures, options, false);
  }

  protected override byOwnStatistics(x: Tensor, weight: Tensor | undefined, bias: Tensor | undefined): Tensor {
    const count = x.size / (x.dim(0) * x.dim(1));
    this.requireSeveral(count, x);
    // The running statistics follow the mean of all samples' own. Without momentum they stay, as in PyTorch.
    if (this.training && this.running_mean) {
      const flat = x.detach().reshape([x.dim(0), x.dim(1), -1]);
      const means = flat.mean([2], true);
      const variances = flat.sub(means).square().mean([2]);
      const statistics = { mean: means.mean([0, 2]), variance: variances.mean([0]) };
      this.track(x, statistics, count, this.momentum ?? 0);
    }
    return instanceNorm(x, { weight, bias, eps: this.eps });
  }
}

/**
 * `[B, C, L]`, normalised over space by the statistics of each sample and channel; where running statistics are kept,
 * by these in evaluation (https://pytorch.org/docs/stable/generated/torch.nn.InstanceNorm1d.html).
 */
export class InstanceNorm1d extends InstanceNorm {
  static readonly className = 'InstanceNorm1d';
  protected readonly ranks = [3];
}

/** `[B, C, H, W]`, as InstanceNorm1d (https://pytorch.org/docs/stable/generated/torch.nn.InstanceNorm2d.html). */
export class InstanceNorm2d extends InstanceNorm {
  static readonly className = 'InstanceNorm2d';
  protected readonly ranks = [4];
}

/** `[B, C, D, H, W]`, as InstanceNorm1d (https://pytorch.org/docs/stable/generated/torch.nn.InstanceNorm3d.html). */
export class InstanceNorm3d extends InstanceNorm {
  static readonly className = 'InstanceNorm3d';
  protected readonly ranks = [5];
}
