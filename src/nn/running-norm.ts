/** Normalisations that keep statistics of what they have seen. */
import { GlobalPercError, type Tensor } from '../graph/index.js';
import { checkOptions, count } from '../options/index.js';
import { batchNorm, type ChannelStatistics } from './functional/normalization.js';
import { ones } from './init.js';
import { Module } from './module.js';
import { type BatchNormOptions, batchNormChecks } from './options/normalization.js';
import { Buffer, Parameter } from './parameter.js';
import { imagePattern, requireShape } from './sizes.js';

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

  /** @param defaults of affine and trackRunningStats alike. */
  constructor(numFeatures: number, options: BatchNormOptions, defaults: boolean) {
    super();
    const checked = checkOptions(options, batchNormChecks, this.className);
    const { eps = 1e-5, momentum = 0.1, affine = defaults, trackRunningStats = defaults } = checked;
    this.numFeatures = count(numFeatures, `${this.className}: numFeatures`);
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
    throw new GlobalPercError(`${this.className} needs more than one value to take the variance of, got [${x.shape}]`, {
      code: 'invalid-argument',
    });
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
