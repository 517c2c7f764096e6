/** A data set whose targets a loss has read before. */
import type { Dataset, Sample, SampleTensor, Substitutes } from '../data/dataset.js';
import { GlobalPercError } from '../graph/index.js';
import type { Generator } from '../random/index.js';
import type { Objective } from './description.js';

/** The samples of a data set, with what a loss has read of their targets in place of those. Made by `Loss.encodeAll`. */
export class EncodedDataset implements Dataset {
  /** Where the samples come from. */
  readonly dataset: Dataset;
  /** Trains on these samples as the loss does on those. */
  readonly loss: Objective;
  private readonly read: (target: SampleTensor) => Promise<Float32Array | undefined>;

  constructor(dataset: Dataset, loss: Objective, read: (target: SampleTensor) => Promise<Float32Array | undefined>) {
    this.dataset = dataset;
    this.loss = loss;
    this.read = read;
  }

  /** Number of samples. */
  get length(): number {
    return this.dataset.length;
  }

  /**
   * A sample; its target is one row of numbers.
   * @throws GlobalPercError as the data set does, when its target was not read before, and when the file is damaged.
   */
  async get(index: number, generator: Generator, substitutes?: Substitutes): Promise<Sample> {
    const { input, target } = await this.dataset.get(index, generator, substitutes);
    const data = await this.read(target);
    if (data) return { input, target: { dims: [data.length], data } };
    throw new GlobalPercError(
      `sample ${index}: this target was not read before, it has changed or is another each time: call encodeAll again, on a data set without random crops and flips`,
      { code: 'invalid-argument' },
    );
  }
}
