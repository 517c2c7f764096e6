/** Batch normalisation (Ioffe and Szegedy 2015). */
import type { Tensor } from '../../graph/index.js';
import { batchNorm, batchStatistics } from '../functional/normalization.js';
import type { BatchNormOptions } from '../options/normalization.js';
import { RunningNorm } from '../running-norm.js';

/** What the batch norms share. */
abstract class BatchNorm extends RunningNorm {
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super(numFeatures, options, true);
  }

  protected override byOwnStatistics(x: Tensor, scale: Tensor | undefined, shift: Tensor | undefined): Tensor {
    const count = x.size / x.dim(1);
    this.requireSeveral(count, x);
    const statistics = batchStatistics(x);
    if (this.training && this.num_batches_tracked) {
      const tracked = this.read(this.num_batches_tracked, x).add(1);
      this.write(this.num_batches_tracked, tracked, x);
      this.track(x, statistics, count, this.momentum ?? tracked.cast('float32').reciprocal());
    }
    return batchNorm(x, statistics, scale, shift, this.eps);
  }
}

/**
 * `[B, C]` or `[B, C, L]`, normalised per channel C: with the batch's statistics in training, with the running ones in
 * evaluation (https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html).
 */
export class BatchNorm1d extends BatchNorm {
  static readonly className = 'BatchNorm1d';
  protected readonly ranks = [2, 3];
}

/** `[B, C, H, W]`, as BatchNorm1d (https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html). */
export class BatchNorm2d extends BatchNorm {
  static readonly className = 'BatchNorm2d';
  protected readonly ranks = [4];
}

/** `[B, C, D, H, W]`, as BatchNorm1d (https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm3d.html). */
export class BatchNorm3d extends BatchNorm {
  static readonly className = 'BatchNorm3d';
  protected readonly ranks = [5];
}
