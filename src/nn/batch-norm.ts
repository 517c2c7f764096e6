/** Batch normalisation (Ioffe and Szegedy 2015). */
import { float, GlobalPercError, type Tensor } from '../graph/index.js';
import { perChannel } from '../ops/index.js';
import { ones } from './init.js';
import { Module } from './module.js';
import { filled } from './normalization.js';
import { Buffer, Parameter } from './parameter.js';
import { imagePattern, requireCount, requireShape } from './sizes.js';

/** Statistics of each channel. */
export interface ChannelStatistics {
  /** `[C]` */
  readonly mean: Tensor;
  /** Biased variance, `[C]`. */
  readonly variance: Tensor;
}

/** Mean and biased variance of `[B, C, …]` over batch and space. */
export function batchStatistics(x: Tensor): ChannelStatistics {
  const mean = channelMean(x);
  // A shift of all values does not change their variance: no gradient needs to pass the mean here.
  const centred = x.sub(perChannel(mean.detach(), x.rank));
  return { mean, variance: channelMean(centred.square()) };
}

/** Along space first, where the elements lie side by side. */
const channelMean = (x: Tensor): Tensor =>
  x
    .reshape([x.dim(0), x.dim(1), -1])
    .mean([2])
    .mean([0]);

/** scale·(x − mean)/√(variance + ε) + shift per channel; scale and shift are 1 and 0 where left out. */
export function batchNorm(
  x: Tensor,
  { mean, variance }: ChannelStatistics,
  scale?: Tensor,
  shift?: Tensor,
  eps = 1e-5,
): Tensor {
  const inputs = [x, scale ?? filled(x, [x.dim(1)], 1), shift ?? filled(x, [x.dim(1)], 0), mean, variance];
  return x.graph.emit('BatchNormalization', inputs, { epsilon: float(eps) })[0] as Tensor;
}

/** Options of the batch norms. */
export interface BatchNormOptions {
  /** Added to the variance. Default 10⁻⁵. */
  readonly eps?: number;
  /** Share of the present batch in the running statistics; null: the mean over all batches. Default 0.1. */
  readonly momentum?: number | null;
  /** Learn a scale and a shift per channel. Default true. */
  readonly affine?: boolean;
  /** Keep running statistics for evaluation. Default true. */
  readonly trackRunningStats?: boolean;
}

/** What the normalisations with running statistics share. */
export abstract class RunningNorm extends Module {
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;
  readonly running_mean: Buffer | undefined;
  readonly running_var: Buffer | undefined;
  readonly num_batches_tracked: Buffer | undefined;
  readonly numFeatures: number;
  readonly eps: number;
  readonly momentum: number | null;
  /** Ranks of input it takes. */
  protected abstract readonly ranks: readonly number[];

  constructor(numFeatures: number, { eps, momentum, affine, trackRunningStats }: Required<BatchNormOptions>) {
    super();
    this.numFeatures = requireCount(numFeatures, `${this.className}: numFeatures`);
    this.eps = eps;
    this.momentum = momentum;
    this.weight = affine ? ones(new Parameter([numFeatures])) : undefined;
    this.bias = affine ? new Parameter([numFeatures]) : undefined;
    const buffer = (value: number): Buffer => new Buffer([numFeatures], new Float32Array(numFeatures).fill(value));
    this.running_mean = trackRunningStats ? buffer(0) : undefined;
    this.running_var = trackRunningStats ? buffer(1) : undefined;
    this.num_batches_tracked = trackRunningStats ? new Buffer([], new BigInt64Array(1)) : undefined;
  }

  /** @throws GlobalPercError on another rank or number of channels, and without running statistics on a single value each. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, ...this.ranks.map((rank) => imagePattern(rank - 2, this.numFeatures)));
    const [scale, shift] = [this.weight, this.bias].map((held) => held && this.read(held, x));
    const { running_mean: mean, running_var: variance } = this;
    if (this.training || !mean || !variance) return this.byOwnStatistics(x, scale, shift);
    return batchNorm(x, { mean: this.read(mean, x), variance: this.read(variance, x) }, scale, shift, this.eps);
  }

  /** Normalises by the statistics of x itself and, in training, has the running ones follow them. */
  protected abstract byOwnStatistics(x: Tensor, scale: Tensor | undefined, shift: Tensor | undefined): Tensor;

  /** @throws GlobalPercError when `count` values have no variance. */
  protected requireSeveral(count: number, x: Tensor): void {
    if (count > 1) return;
    throw new GlobalPercError(`${this.className} needs more than one value to take the variance of, got [${x.shape}]`);
  }

  /** r ← r + share·(s − r), s the mean and the unbiased variance of `count` values. */
  protected track(x: Tensor, { mean, variance }: ChannelStatistics, count: number, share: number | Tensor): void {
    const { running_mean: runningMean, running_var: runningVariance } = this;
    if (!runningMean || !runningVariance) return;
    const observed = [
      [runningMean, mean],
      [runningVariance, variance.mul(count / (count - 1))],
    ] as const;
    for (const [buffer, value] of observed) {
      const former = this.read(buffer, x);
      this.write(buffer, former.add(value.detach().sub(former).mul(share)), x);
    }
  }
}

/** What the batch norms share. */
abstract class BatchNorm extends RunningNorm {
  constructor(
    numFeatures: number,
    { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true }: BatchNormOptions = {},
  ) {
    super(numFeatures, { eps, momentum, affine, trackRunningStats });
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
