/** Parts and repetitions of data sets. */
import { count } from '../options/index.js';
import type { Generator } from '../random/index.js';
import { type Dataset, isDataset, requireIndex, type Sample } from './dataset.js';

/** Samples of a data set under other numbers. */
class View implements Dataset {
  constructor(
    readonly dataset: Dataset,
    readonly length: number,
  ) {}

  /** @throws GlobalPercError when there is no sample `index`. */
  async get(index: number, generator: Generator): Promise<Sample> {
    return this.dataset.get(requireIndex(index, this.length) % this.dataset.length, generator);
  }
}

/**
 * The first samples of a data set: all, where there are fewer.
 * @throws GlobalPercError when `samples` is no positive integer.
 */
export const take = (dataset: Dataset, samples: number): Dataset =>
  new View(isDataset(dataset, 'take: dataset'), Math.min(dataset.length, count(samples, 'take: samples')));

/**
 * A data set whose epoch goes through another one several times, with other random choices each time.
 * @throws GlobalPercError when `times` is no positive integer.
 */
export const repeat = (dataset: Dataset, times: number): Dataset =>
  new View(isDataset(dataset, 'repeat: dataset'), dataset.length * count(times, 'repeat: times'));
