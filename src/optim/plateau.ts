/** A schedule that a metric moves. */
import { constantOf, int, type Tensor } from '../graph/index.js';
import { type Checks, checkOptions, integer, number, oneOf, required } from '../options/index.js';
import type { LRScheduler, MetricState } from './schedule.js';

/** Options of ReduceLROnPlateau. */
export interface ReduceLROnPlateauOptions {
  /** Whether less or more of the metric is better. Default `min`. */
  readonly mode?: 'min' | 'max';
  /** Factor of each reduction, below 1. Default 0.1. */
  readonly factor?: number;
  /** Metrics without a better one that are waited for; with the next one the rate is reduced. Default 10. */
  readonly patience?: number;
  /** By how much a metric must be better to count. Default 10⁻⁴. */
  readonly threshold?: number;
  /** Whether that is a share of the best (`rel`, the default) or a difference (`abs`). */
  readonly thresholdMode?: 'rel' | 'abs';
  /** Metrics after a reduction that count for nothing. Default 0. */
  readonly cooldown?: number;
  /** The lowest rate. Default 0. */
  readonly minLr?: number;
  /** Reductions by no more than this are not made. Default 10⁻⁸. */
  readonly eps?: number;
}

export const PLATEAU: Checks<ReduceLROnPlateauOptions> = {
  mode: oneOf('min', 'max'),
  factor: number({ least: 0, below: 1 }),
  patience: integer(0),
  threshold: number(),
  thresholdMode: oneOf('rel', 'abs'),
  cooldown: integer(0),
  minLr: number({ least: 0 }),
  eps: number({ least: 0 }),
};

/**
 * max(factor·lr, minLr) after more than `patience` metrics in a row none of which is better than the best before
 * (https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html). It hears of a metric by `trainer.stepScheduler(metric)`;
 * `globalperc train` tells it the loss of each validation pass.
 */
export class ReduceLROnPlateau implements LRScheduler {
  readonly mode: 'min' | 'max';
  readonly factor: number;
  readonly patience: number;
  readonly threshold: number;
  readonly thresholdMode: 'rel' | 'abs';
  readonly cooldown: number;
  readonly minLr: number;
  readonly eps: number;

  /** @throws GlobalPercError on an unknown option, or one out of range. */
  constructor(options: ReduceLROnPlateauOptions = {}) {
    const given = checkOptions(options, PLATEAU, 'ReduceLROnPlateau');
    this.mode = given.mode ?? 'min';
    this.factor = given.factor ?? 0.1;
    this.patience = given.patience ?? 10;
    this.threshold = given.threshold ?? 1e-4;
    this.thresholdMode = given.thresholdMode ?? 'rel';
    this.cooldown = given.cooldown ?? 0;
    this.minLr = given.minLr ?? 0;
    this.eps = given.eps ?? 1e-8;
  }

  /** The rate after so many reductions, by a table of all that there can be. */
  rate(base: number, reductions: Tensor): Tensor {
    const rates = [base];
    for (;;) {
      const last = rates.at(-1) as number;
      const next = Math.max(last * this.factor, this.minLr);
      // PyTorch leaves a rate as it is then, and so from there on.
      if (!(last - next > this.eps)) break;
      rates.push(next);
    }
    const { graph } = reductions;
    const table = graph.constant(constantOf('float64', [rates.length], rates));
    const index = reductions.minimum(rates.length - 1).cast('int64');
    return graph.emit('Gather', [table, index], { axis: int(0) })[0] as Tensor;
  }

  /** What is known after another metric. */
  next(metric: number, { best, numBadEpochs, cooldownCounter, reductions }: MetricState): MetricState {
    const isBetter = best === undefined || this.isBetter(metric, best);
    const cooling = cooldownCounter > 0;
    const bad = isBetter || cooling ? 0 : numBadEpochs + 1;
    const reduces = bad > this.patience;
    return {
      best: isBetter ? metric : best,
      numBadEpochs: reduces ? 0 : bad,
      cooldownCounter: reduces ? this.cooldown : cooldownCounter - Number(cooling),
      reductions: reductions + Number(reduces),
    };
  }

  private isBetter(metric: number, best: number): boolean {
    const sign = this.mode === 'min' ? -1 : 1;
    const bound = this.thresholdMode === 'rel' ? best * (1 + sign * this.threshold) : best + sign * this.threshold;
    return sign * metric > sign * bound;
  }
}

/** As checkpoints hold it. */
export const METRIC_STATE: Checks<MetricState> = {
  best: number(),
  numBadEpochs: required(integer(0)),
  cooldownCounter: required(integer(0)),
  reductions: required(integer(0)),
};
