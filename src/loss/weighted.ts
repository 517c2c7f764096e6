/** Several losses as one: a perceptual term beside a pixel term, say. */
import { GlobalPercError, kindOf } from '../graph/index.js';
import { type Checks, checkOptions, oneOf } from '../options/index.js';
import type { Balance } from './balance.js';
import type { LossDescription, Objective } from './description.js';
import { LOSS, Loss, type LossOptions } from './loss.js';
import { SumDescription, type Term } from './sum-description.js';

export type { Balance } from './balance.js';
export type { Term } from './sum-description.js';

/** Options of WeightedLoss. */
export interface WeightedLossOptions extends LossOptions {
  /** What the weights are multiplied by in the steps of a Trainer. Default `fixed`: nothing. */
  readonly balance?: Balance;
}

const OPTIONS: Checks<WeightedLossOptions> = {
  ...LOSS,
  balance: oneOf<Balance>('fixed', 'adaptive', 'uncertainty', 'runningMean'),
};

/**
 * Σ weight · loss. Its hooks are those of its terms, their weights multiplied by the term's; a term without hooks counts
 * as one, under its class name. The first term says what type the target has. Terms that need the student's activations
 * (TeacherStudentLoss) work in a Trainer only. Disposing it leaves its terms as they are. With a `balance` the weights change from step to step in a Trainer,
 * which gives those of each step in `logged`, as `weight/0 L1Loss`; `evaluate` and losses by themselves have the given ones.
 *
 * @example new nn.WeightedLoss([[new nn.L1Loss(), 1], [new GlobalPercLoss(teacher, config), 0.1]])
 */
export class WeightedLoss extends Loss {
  readonly terms: readonly Term[];
  readonly description: LossDescription;

  /** @throws GlobalPercError without terms, or on one that is not a loss and a finite number. */
  constructor(terms: readonly Term[], given: WeightedLossOptions = {}) {
    const { balance, ...options } = checkOptions(given, OPTIONS, 'WeightedLoss');
    super(options);
    requireTerms(terms);
    this.terms = terms;
    this.description = new SumDescription(terms, balance);
  }
}

function requireTerms(terms: unknown): void {
  if (!Array.isArray(terms) || terms.length === 0) {
    throw new GlobalPercError('WeightedLoss needs at least one [loss, weight]', { code: 'invalid-option' });
  }
  for (const term of terms) {
    const [loss, weight] = Array.isArray(term) ? term : [];
    if ((loss as Partial<Objective> | undefined)?.description === undefined) {
      throw new GlobalPercError(
        `WeightedLoss: a term should be [loss, weight], got ${kindOf(loss ?? term)} for the loss`,
        {
          code: 'invalid-option',
        },
      );
    }
    if (!Number.isFinite(weight)) {
      throw new GlobalPercError(`WeightedLoss: a weight should be a finite number, got ${weight}`, {
        code: 'invalid-option',
      });
    }
  }
}
