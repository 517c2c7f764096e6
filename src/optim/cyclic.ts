/** Schedules that rise again. */
import { constantOf, type Tensor } from '../graph/index.js';
import { boolean, type Checks, checkOptions, count, number, oneOf, required } from '../options/index.js';
import { cosineBetween, type LRScheduler } from './schedule.js';

/** Options of CosineAnnealingWarmRestarts. */
export interface CosineAnnealingWarmRestartsOptions {
  /** Steps before the first restart. */
  readonly t0: number;
  /** How many times longer the steps between two restarts become. Default 1. */
  readonly tMult?: number;
  /** The lowest rate. Default 0. */
  readonly etaMin?: number;
}

export const WARM_RESTARTS: Checks<CosineAnnealingWarmRestartsOptions> = {
  t0: required(count),
  tMult: count,
  etaMin: number({ least: 0 }),
};

/** Steps are counted in float64. */
const MOST_STEPS = 2 ** 53;

/**
 * η + (base − η)·(1 + cos(πt/T))/2, t steps after a restart, of which the first comes after T = t0 steps and each next one after tMult times more
 * (https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.html).
 */
export class CosineAnnealingWarmRestarts implements LRScheduler {
  readonly t0: number;
  readonly tMult: number;
  readonly etaMin: number;

  /** @throws GlobalPercError on an unknown option, when t0 or tMult is not a positive integer or etaMin negative. */
  constructor(options: CosineAnnealingWarmRestartsOptions) {
    const { t0, tMult = 1, etaMin = 0 } = checkOptions(options, WARM_RESTARTS, 'CosineAnnealingWarmRestarts');
    this.t0 = t0;
    this.tMult = tMult;
    this.etaMin = etaMin;
  }

  rate(base: number, step: Tensor): Tensor {
    return cosineBetween(base, this.etaMin, this.tMult === 1 ? this.share(step) : this.growingShare(step));
  }

  /** How much of the way to the next restart is done. */
  private share(step: Tensor): Tensor {
    const cycles = step.div(this.t0);
    return cycles.sub(cycles.floor());
  }

  /** The same where cycles grow: with the last beginning that is not behind the step. A logarithm would be off by one at some of them. */
  private growingShare(step: Tensor): Tensor {
    const beginnings: number[] = [];
    const lengths: number[] = [];
    for (let [at, length] = [0, this.t0]; at < MOST_STEPS; at += length, length *= this.tMult) {
      beginnings.push(at);
      lengths.push(length);
    }
    const row = (values: readonly number[]): Tensor =>
      step.graph.constant(constantOf('float64', [values.length], values));
    const reached = step.unsqueeze([-1]).greaterOrEqual(row(beginnings));
    const last = (values: readonly number[]): Tensor => reached.where(row(values), 0).amax([-1]);
    return step.sub(last(beginnings)).div(last(lengths));
  }
}

/** Options of OneCycleLR. */
export interface OneCycleLROptions {
  /** The highest rate, in place of the optimiser's lr. */
  readonly maxLr: number;
  /** Steps of the cycle. */
  readonly totalSteps: number;
  /** The share of steps in which the rate rises. Default 0.3. */
  readonly pctStart?: number;
  /** Default `'cos'`. */
  readonly annealStrategy?: 'cos' | 'linear';
  /** maxLr over the first rate. Default 25. */
  readonly divFactor?: number;
  /** The first rate over the last. Default 10⁴. */
  readonly finalDivFactor?: number;
  /** Whether the rate falls to the first one in as many steps as it rose, and then to the last. Default false. */
  readonly threePhase?: boolean;
}

export const ONE_CYCLE: Checks<OneCycleLROptions> = {
  maxLr: required(number({ above: 0 })),
  totalSteps: required(count),
  pctStart: number({ least: 0, most: 1 }),
  annealStrategy: oneOf('cos', 'linear'),
  divFactor: number({ above: 0 }),
  finalDivFactor: number({ above: 0 }),
  threePhase: boolean,
};

/** The rate moves from one to another, up to the step `end`. */
interface Phase {
  readonly end: number;
  readonly from: number;
  readonly to: number;
}

/**
 * From maxLr/divFactor up to maxLr and down to maxLr/(divFactor·finalDivFactor), along half cosines or lines; the last rate stays after
 * totalSteps. As PyTorch's with `cycle_momentum=False`: a schedule moves the rate alone
 * (https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.OneCycleLR.html).
 */
export class OneCycleLR implements LRScheduler {
  readonly annealStrategy: 'cos' | 'linear';
  private readonly phases: readonly Phase[];

  /** @throws GlobalPercError on an unknown option, or one out of range. */
  constructor(options: OneCycleLROptions) {
    const given = checkOptions(options, ONE_CYCLE, 'OneCycleLR');
    const { maxLr, totalSteps, pctStart = 0.3, annealStrategy = 'cos' } = given;
    const { divFactor = 25, finalDivFactor = 1e4, threePhase = false } = given;
    const first = maxLr / divFactor;
    const last = first / finalDivFactor;
    const risen = pctStart * totalSteps;
    this.annealStrategy = annealStrategy;
    this.phases = [
      { end: risen - 1, from: first, to: maxLr },
      ...(threePhase ? [{ end: 2 * risen - 2, from: maxLr, to: first }] : []),
      { end: totalSteps - 1, from: threePhase ? first : maxLr, to: last },
    ];
  }

  rate(_base: number, step: Tensor): Tensor {
    const rates = this.phases.map((phase, i) => this.within(phase, this.phases[i - 1]?.end ?? 0, step));
    return rates.reduceRight((later, rate, i) => step.lessOrEqual((this.phases[i] as Phase).end).where(rate, later));
  }

  private within({ end, from, to }: Phase, start: number, step: Tensor): Tensor {
    const share = step
      .sub(start)
      .div(end - start)
      .maximum(0)
      .minimum(1);
    return this.annealStrategy === 'cos' ? cosineBetween(from, to, share) : share.mul(to - from).add(from);
  }
}
