/**
 * Learning rates over a run, as graphs of the step number (https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate).
 * A schedule advances once per optimiser step.
 */
import { GlobalPercError, type Tensor } from '../graph/index.js';
import {
  type Check,
  type Checks,
  checkOptions,
  count,
  listOf,
  number,
  required,
  withMethods,
} from '../options/index.js';

/** The learning rate at each step. */
export interface LRScheduler {
  /**
   * The learning rate of one step, a float64 scalar.
   * @param base the optimiser's lr.
   * @param step optimiser steps taken before this one, a float64 scalar.
   */
  rate(base: number, step: Tensor): Tensor;
  /**
   * Where a metric moves it: what it knows after another one. `rate` then takes reductions in the place of steps. A trainer keeps the state, and saves it.
   */
  next?(metric: number, state: MetricState): MetricState;
}

/** What a schedule knows of the metrics so far, by PyTorch's names. */
export interface MetricState {
  /** Absent before the first. */
  readonly best?: number | undefined;
  readonly numBadEpochs: number;
  readonly cooldownCounter: number;
  /** How often the rate was reduced. */
  readonly reductions: number;
}

/** What it knows before the first metric. */
export const NO_METRIC: MetricState = { numBadEpochs: 0, cooldownCounter: 0, reductions: 0 };

/** The base rate throughout. */
export class ConstantLR implements LRScheduler {
  rate(base: number, { graph }: Tensor): Tensor {
    return graph.scalar(base, 'float64');
  }
}

/** Options of StepLR. */
export interface StepLROptions {
  /** Steps between two drops. */
  readonly stepSize: number;
  /** Factor of each drop. Default 0.1. */
  readonly gamma?: number;
}

export const STEP: Checks<StepLROptions> = { stepSize: required(count), gamma: number({ least: 0 }) };

/** base·γ^⌊t/stepSize⌋ (https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.StepLR.html) */
export class StepLR implements LRScheduler {
  readonly stepSize: number;
  readonly gamma: number;

  /** @throws GlobalPercError on an unknown option, when stepSize is not a positive integer or gamma negative. */
  constructor(options: StepLROptions) {
    const { stepSize, gamma = 0.1 } = checkOptions(options, STEP, 'StepLR');
    this.stepSize = stepSize;
    this.gamma = gamma;
  }

  rate(base: number, step: Tensor): Tensor {
    const drops = step.div(this.stepSize).floor();
    return step.graph.scalar(this.gamma, 'float64').pow(drops).mul(base);
  }
}

/** Options of LinearLR. */
export interface LinearLROptions {
  /** Factor at the first step, above 0 and up to 1. Default 1/3. */
  readonly startFactor?: number;
  /** Factor from step totalIters on, from 0 to 1. Default 1. */
  readonly endFactor?: number;
  /** Default 5. */
  readonly totalIters?: number;
}

export const LINEAR: Checks<LinearLROptions> = {
  startFactor: number({ above: 0, most: 1 }),
  endFactor: number({ least: 0, most: 1 }),
  totalIters: count,
};

/** base·(start + (end − start)·min(t, n)/n): a warm-up (https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LinearLR.html) */
export class LinearLR implements LRScheduler {
  readonly startFactor: number;
  readonly endFactor: number;
  readonly totalIters: number;

  /** @throws GlobalPercError on an unknown option, or one out of range. */
  constructor(options: LinearLROptions = {}) {
    const { startFactor = 1 / 3, endFactor = 1, totalIters = 5 } = checkOptions(options, LINEAR, 'LinearLR');
    this.startFactor = startFactor;
    this.endFactor = endFactor;
    this.totalIters = totalIters;
  }

  rate(base: number, step: Tensor): Tensor {
    const slope = (this.endFactor - this.startFactor) / this.totalIters;
    return step
      .minimum(this.totalIters)
      .mul(slope * base)
      .add(this.startFactor * base);
  }
}

/** Options of CosineAnnealingLR. */
export interface CosineAnnealingLROptions {
  /** Steps from the highest rate to the lowest. */
  readonly tMax: number;
  /** The lowest rate. Default 0. */
  readonly etaMin?: number;
}

export const COSINE: Checks<CosineAnnealingLROptions> = { tMax: required(count), etaMin: number({ least: 0 }) };

/** η + (base − η)·(1 + cos(πt/T))/2 (https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingLR.html) */
export class CosineAnnealingLR implements LRScheduler {
  readonly tMax: number;
  readonly etaMin: number;

  /** @throws GlobalPercError on an unknown option, when tMax is not a positive integer or etaMin negative. */
  constructor(options: CosineAnnealingLROptions) {
    const { tMax, etaMin = 0 } = checkOptions(options, COSINE, 'CosineAnnealingLR');
    this.tMax = tMax;
    this.etaMin = etaMin;
  }

  rate(base: number, step: Tensor): Tensor {
    const turn = 2 * this.tMax;
    const within = step.sub(step.div(turn).floor().mul(turn));
    return cosineBetween(base, this.etaMin, within.div(this.tMax));
  }
}

/** to + (from − to)·(1 + cos πx)/2. @param x float64, within one turn: 0 to 2. */
export function cosineBetween(from: number, to: number, x: Tensor): Tensor {
  // ONNX Runtime has no cosine of float64; one of float32 is exact enough for an angle within one turn.
  const cosine = x.mul(Math.PI).cast('float32').cos().cast('float64');
  return cosine
    .add(1)
    .mul((from - to) / 2)
    .add(to);
}

/**
 * One schedule after the other: the next takes over at each milestone and counts from there
 * (https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.SequentialLR.html).
 *
 * @example new SequentialLR([new LinearLR({ totalIters: 100 }), new CosineAnnealingLR({ tMax: 900 })], [100])
 */
export class SequentialLR implements LRScheduler {
  readonly schedulers: readonly LRScheduler[];
  readonly milestones: readonly number[];

  /** @throws GlobalPercError unless there is one milestone between every two schedules, in ascending order. */
  constructor(schedulers: readonly LRScheduler[], milestones: readonly number[]) {
    this.schedulers = listOf(isScheduler)(schedulers, 'SequentialLR: schedulers');
    this.milestones = listOf(count)(milestones, 'SequentialLR: milestones');
    if (schedulers.some(({ next }) => next)) {
      throw new GlobalPercError(
        'SequentialLR: a schedule that a metric moves, ReduceLROnPlateau, is no part of a sequence',
        {
          code: 'invalid-option',
        },
      );
    }
    const ascending = milestones.every((milestone, i) => milestone > (milestones[i - 1] ?? 0));
    if (schedulers.length === milestones.length + 1 && ascending) return;
    throw new GlobalPercError(
      `SequentialLR: ${schedulers.length} schedulers need ${schedulers.length - 1} ascending milestones, got [${milestones}]`,
      { code: 'invalid-option' },
    );
  }

  rate(base: number, step: Tensor): Tensor {
    const first = (this.schedulers[0] as LRScheduler).rate(base, step);
    return this.milestones.reduce((rate, milestone, i) => {
      const next = (this.schedulers[i + 1] as LRScheduler).rate(base, step.sub(milestone));
      return step.less(milestone).where(rate, next);
    }, first);
  }
}

/** Checks a schedule, which may be a user's own. */
export const isScheduler: Check<LRScheduler> = withMethods(
  'a schedule such as new optim.lrScheduler.StepLR({ stepSize: 30 })',
  'rate',
);
