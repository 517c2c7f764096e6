/** How the terms of a sum are brought into balance while a student trains. */
import { carriesGradientTo, gradient } from '../autodiff/index.js';
import { concat, GlobalPercError, type Tensor } from '../graph/index.js';
import { type AnyModule, Buffer, Module, Parameter } from '../nn/public.js';
import { fuseAttention } from '../passes/index.js';
import type { StudentScene } from './description.js';

/**
 * What the weight wᵢ of a term with the loss Lᵢ is multiplied by in a training step:
 * - `fixed`: nothing;
 * - `adaptive`: ‖∇L₀‖/(‖∇Lᵢ‖ + 10⁻⁴), at most 10⁴, of gradients by the student's last weight of two dimensions or more: all have the first one's length
 *   (VQGAN: Esser et al. 2021, https://arxiv.org/abs/2012.09841);
 * - `uncertainty`: 1/(2σᵢ²), and Σ log σᵢ is added, where log σᵢ² are learned, 0 at first; for losses from 0 on (Kendall, Gal and Cipolla 2018,
 *   https://arxiv.org/abs/1705.07115);
 * - `runningMean`: m₀/mᵢ, at most 10⁴, where m is the absolute value of the running mean m ← 0.99·m + 0.01·L: all have the first one's size.
 */
export type Balance = 'fixed' | 'adaptive' | 'uncertainty' | 'runningMean';

/** Factors of the terms in one step, and what is added to their sum. */
export interface Factors {
  readonly factors: readonly Tensor[];
  readonly added?: Tensor;
}

/** Makes the factors; what it remembers is a module that the objective owns. */
export interface Balancing {
  readonly owned?: AnyModule;
  factors(losses: readonly Tensor[], student: StudentScene): Factors;
}

/** The most that a term is multiplied by, as in VQGAN. */
const MOST = 1e4;
/** Share of what a running mean was before. */
const MOMENTUM = 0.99;

const toFirst = ([first, ...others]: readonly Tensor[], factor: (first: Tensor, other: Tensor) => Tensor): Factors => {
  const reference = first as Tensor;
  return { factors: [reference.graph.scalar(1, 'float32'), ...others.map((other) => factor(reference, other))] };
};

/**
 * ‖∇reference‖/(‖∇other‖ + 10⁻⁴), at most 10⁴, of gradients by the last weight of two dimensions or more that the student reads; it carries no gradient.
 * @throws GlobalPercError where none trains, or a loss does not depend on it.
 */
export function adaptiveFactor(reference: Tensor, other: Tensor, { weights }: StudentScene): Tensor {
  const last = [...weights.values()].findLast(({ rank }) => rank >= 2);
  if (last === undefined || ![reference, other].every((loss) => carriesGradientTo(loss, last))) {
    const what = last
      ? 'a term does not depend on the last layer of the student'
      : 'the student has no layer that trains';
    throw new GlobalPercError(
      `${what}, by which adaptive weights are told; take a number, or balance 'uncertainty' or 'runningMean'`,
      { code: 'invalid-option' },
    );
  }
  fuseAttention(last.graph);
  const norm = (loss: Tensor): Tensor => (gradient(loss, [last])[0] as Tensor).square().sum().sqrt();
  return norm(reference).div(norm(other).add(1e-4)).minimum(MOST).detach();
}

/** Learned log σ². */
class LogVariances extends Module {
  static readonly className = 'LogVariances';
  readonly log_variance: Parameter;

  constructor(terms: number) {
    super();
    this.log_variance = new Parameter([terms]);
  }

  override forward(losses: Tensor): Tensor {
    return this.read(this.log_variance, losses);
  }
}

/** Running means of losses `[terms]`. */
class RunningMeans extends Module {
  static readonly className = 'RunningMeans';
  readonly mean: Buffer;

  constructor(terms: number) {
    super();
    this.mean = new Buffer([terms], new Float32Array(terms));
  }

  override forward(losses: Tensor): Tensor {
    const mean = this.read(this.mean, losses)
      .mul(MOMENTUM)
      .add(losses.detach().mul(1 - MOMENTUM));
    this.write(this.mean, mean, losses);
    return mean;
  }
}

const stacked = (losses: readonly Tensor[]): Tensor =>
  concat(
    losses.map((loss) => loss.reshape([1])),
    0,
  );

const scalars = (x: Tensor): Tensor[] =>
  Array.from({ length: x.size }, (_, i) => x.slice([0], [i], [i + 1]).reshape([]));

export const BALANCES: Readonly<Record<Exclude<Balance, 'fixed'>, (terms: number) => Balancing>> = {
  adaptive: () => ({
    factors: (losses, student) => toFirst(losses, (first, other) => adaptiveFactor(first, other, student)),
  }),
  uncertainty: (terms) => {
    const owned = new LogVariances(terms);
    return {
      owned,
      factors: (losses) => {
        const logarithms = owned(stacked(losses));
        return { factors: scalars(logarithms.neg().exp().mul(0.5)), added: logarithms.sum().mul(0.5) };
      },
    };
  },
  runningMean: (terms) => {
    const owned = new RunningMeans(terms);
    return {
      owned,
      factors: (losses) =>
        toFirst(scalars(owned(stacked(losses)).abs()), (first, other) => first.div(other.maximum(1e-30)).minimum(MOST)),
    };
  },
};
