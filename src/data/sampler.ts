/** Which samples an epoch has, where that is not each one once. */
import { GlobalPercError } from '../graph/index.js';
import {
  boolean,
  type Check,
  type Checks,
  checkOptions,
  count,
  integer,
  listOf,
  number,
  withMethods,
} from '../options/index.js';
import type { Generator } from '../random/index.js';

/** What a `DataLoader` asks for the samples of an epoch. */
export interface Sampler {
  /** Samples of an epoch. */
  readonly length: number;
  /** Their indices in the data set, drawn from `generator` alone. */
  indices(generator: Generator): Uint32Array;
}

const hasIndices: Check<Sampler> = withMethods('a sampler { length, indices(generator) }', 'indices');

/** Checks a sampler, which may be a user's own. */
export const isSampler: Check<Sampler> = (value, where) => {
  const sampler = hasIndices(value, where);
  integer(1)(sampler.length, `${where}: length`);
  return sampler;
};

/** Options of `WeightedRandomSampler`. */
export interface WeightedRandomSamplerOptions {
  /** Whether a sample may come several times in an epoch. Default true. */
  readonly replacement?: boolean;
}

const OPTIONS: Checks<WeightedRandomSamplerOptions> = { replacement: boolean };
const weightsOf = listOf(number({ least: 0 }));

/**
 * Draws samples with probabilities proportional to weights, as torch.utils.data.WeightedRandomSampler.
 *
 * @example
 * // Every class as often as the others, however many images it has.
 * const sampler = new WeightedRandomSampler(classes.map((c) => 1 / counts[c]), classes.length);
 * const loader = new DataLoader(dataset, { batchSize: 8, sampler });
 */
export class WeightedRandomSampler implements Sampler {
  readonly length: number;
  private readonly weights: readonly number[];
  private readonly replacement: boolean;

  /**
   * @param weights one per sample, from 0 on; they need not sum to 1.
   * @param numSamples samples of an epoch.
   * @throws GlobalPercError when a weight is negative or no number, all are 0, or without replacement more samples are wanted than have a weight.
   */
  constructor(weights: readonly number[], numSamples: number, options: WeightedRandomSamplerOptions = {}) {
    const { replacement = true } = checkOptions(options, OPTIONS, 'WeightedRandomSampler');
    this.weights = weightsOf(weights, 'WeightedRandomSampler: weights');
    this.length = count(numSamples, 'WeightedRandomSampler: numSamples');
    this.replacement = replacement;
    const some = this.weights.filter((weight) => weight > 0).length;
    if (some > 0 && (replacement || some >= numSamples)) return;
    const wanted = replacement ? 'one weight above 0' : `${numSamples} weights above 0 to draw without replacement`;
    throw new GlobalPercError(`WeightedRandomSampler needs at least ${wanted}, got ${some}`, {
      code: 'invalid-option',
    });
  }

  indices(generator: Generator): Uint32Array {
    return this.replacement ? this.withReplacement(generator) : this.withoutReplacement(generator);
  }

  private withReplacement(generator: Generator): Uint32Array {
    const sums = new Float64Array(this.weights.length);
    let sum = 0;
    for (const [i, weight] of this.weights.entries()) {
      sum += weight;
      sums[i] = sum;
    }
    return Uint32Array.from({ length: this.length }, () => firstAbove(sums, generator.uniform() * sum));
  }

  /** The smallest of −ln u / w, which are exponential of rate w (Efraimidis and Spirakis 2006). */
  private withoutReplacement(generator: Generator): Uint32Array {
    const times = this.weights.map((weight) => -Math.log(1 - generator.uniform()) / weight);
    const order = this.weights.flatMap((weight, i) => (weight > 0 ? [i] : []));
    order.sort((a, b) => (times[a] as number) - (times[b] as number));
    return Uint32Array.from(order.slice(0, this.length));
  }
}

/** The first index whose value is above another, in values that do not fall. */
function firstAbove(values: Float64Array, value: number): number {
  let [low, high] = [0, values.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] as number) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
