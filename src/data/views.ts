/** Parts and repetitions of data sets. */
import { GlobalPercError } from '../graph/index.js';
import { type Checks, checkOptions, count, integer, listOf, number } from '../options/index.js';
import { Generator } from '../random/index.js';
import { type Dataset, isDataset, requireIndex, type Sample, type Substitutes } from './dataset.js';

/** Samples of a data set under other numbers. */
class View implements Dataset {
  /** @param numberOf the number that a sample has in the data set. */
  constructor(
    readonly dataset: Dataset,
    readonly length: number,
    private readonly numberOf: (index: number) => number,
  ) {}

  /** @throws GlobalPercError when there is no sample `index`. */
  async get(index: number, generator: Generator, substitutes: Substitutes = () => this.all()): Promise<Sample> {
    const number = this.numberOf(requireIndex(index, this.length));
    return this.dataset.get(number, generator, () => substitutes().map(this.numberOf));
  }

  private all(): readonly number[] {
    return Array.from({ length: this.length }, (_, i) => i);
  }
}

/**
 * The first samples of a data set: all, where there are fewer.
 * @throws GlobalPercError when `samples` is no positive integer.
 */
export function take(dataset: Dataset, samples: number): Dataset {
  const { length } = isDataset(dataset, 'take: dataset');
  return new View(dataset, Math.min(length, count(samples, 'take: samples')), (index) => index);
}

/**
 * A data set whose epoch goes through another one several times, with other random choices each time.
 * @throws GlobalPercError when `times` is no positive integer.
 */
export function repeat(dataset: Dataset, times: number): Dataset {
  const { length } = isDataset(dataset, 'repeat: dataset');
  return new View(dataset, length * count(times, 'repeat: times'), (index) => index % length);
}

/** Options of `randomSplit`. */
export interface RandomSplitOptions {
  /** Names the draw. Default 0. */
  readonly seed?: number;
}

const SPLIT: Checks<RandomSplitOptions> = { seed: integer(0) };
const LENGTHS = listOf(number({ least: 0 }));

/**
 * Parts of a data set that have no sample in common, drawn at random, as torch.utils.data.random_split: the same for the same seed and number of samples.
 * @param lengths samples of each part, or shares that sum to 1, rounded down, what is left over given to the first parts one by one.
 * @throws GlobalPercError when the lengths do not sum to the samples there are, nor to 1, or a part would have none.
 *
 * @example const [training, heldOut] = randomSplit(photos, [0.9, 0.1]);
 */
export function randomSplit(
  dataset: Dataset,
  lengths: readonly number[],
  options: RandomSplitOptions = {},
): readonly Dataset[] {
  const { length } = isDataset(dataset, 'randomSplit: dataset');
  const counts = countsOf(LENGTHS(lengths, 'randomSplit: lengths'), length);
  const { seed = 0 } = checkOptions(options, SPLIT, 'randomSplit');
  const order = new Generator(seed).permutation(length);
  let end = 0;
  return counts.map((size) => {
    const numbers = order.subarray(end, end + size);
    end += size;
    return new View(dataset, size, (index) => numbers[index] as number);
  });
}

function countsOf(lengths: readonly number[], total: number): readonly number[] {
  const sum = lengths.reduce((all, length) => all + length, 0);
  const isShares = Math.abs(sum - 1) < 1e-9 && total > 1;
  const counts = isShares ? lengths.map((share) => Math.floor(share * total + 1e-9)) : [...lengths];
  const left = total - counts.reduce((all, size) => all + size, 0);
  if (isShares) for (let i = 0; i < left; i += 1) counts[i % counts.length] = (counts[i % counts.length] as number) + 1;
  if ((isShares || left === 0) && counts.every((size) => Number.isInteger(size) && size > 0)) return counts;
  throw new GlobalPercError(
    `randomSplit: lengths should be parts of at least one sample each that sum to ${total}, the samples there are, or shares that sum to 1, got [${lengths}]`,
    { code: 'invalid-option' },
  );
}
