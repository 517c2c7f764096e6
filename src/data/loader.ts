/** Batches of a data set, in an order that depends on the seed alone. */
import { GlobalPercError } from '../graph/index.js';
import { boolean, type Checks, checkOptions, count, integer } from '../options/index.js';
import { Generator } from '../random/index.js';
import { checkTensor, type Dataset, isDataset, type Sample, type SampleTensor } from './dataset.js';
import { isSampler, type Sampler } from './sampler.js';

/** Samples stacked along a leading batch dimension: images are [N, 3, H, W], class indices [N]. */
export interface Batch {
  readonly input: SampleTensor;
  readonly target: SampleTensor;
}

/** Options of a `DataLoader`. */
export interface DataLoaderOptions {
  /** Samples per batch. Default 1. */
  readonly batchSize?: number;
  /** A new random order every epoch. Default false: the order of the data set. */
  readonly shuffle?: boolean;
  /** Which samples an epoch has, instead of each one once: a `WeightedRandomSampler`, or one of your own. */
  readonly sampler?: Sampler;
  /** Leaves out an epoch's last batch if it is not full. Default false. */
  readonly dropLast?: boolean;
  /** Names the random order and the samples' random choices. Default 0. */
  readonly seed?: number;
  /** Batches prepared while the caller works on one. Default 2. */
  readonly prefetch?: number;
}

const LOADER: Checks<DataLoaderOptions> = {
  batchSize: count,
  shuffle: boolean,
  sampler: isSampler,
  dropLast: boolean,
  seed: integer(),
  prefetch: integer(0),
};

/** Options of `stream`. */
export interface StreamOptions {
  /** Number of the first batch. Default 0. */
  readonly from?: number;
}

const STREAM: Checks<StreamOptions> = { from: integer(0) };

/** What the first name after seed and epoch says a generator is for. */
const ORDER = 0;
const SAMPLE = 1;

/** Where a batch lies: positions from `start` up to `end` in the order of an epoch. */
interface Place {
  readonly epoch: number;
  readonly start: number;
  readonly end: number;
}

type Places = IterableIterator<Place, void, undefined>;

/** Batches of a data set: `for await (const { input, target } of loader)` is one epoch. */
export class DataLoader implements AsyncIterable<Batch> {
  readonly dataset: Dataset;
  readonly batchSize: number;
  private readonly shuffle: boolean;
  private readonly sampler: Sampler | undefined;
  /** Samples of an epoch. */
  private readonly samples: number;
  private readonly dropLast: boolean;
  private readonly seed: number;
  private readonly prefetch: number;
  private nextEpoch = 0;
  private order: { readonly epoch: number; readonly indices: Uint32Array } | undefined;

  /** @throws GlobalPercError when the data set is none or empty, or an option is unknown or out of range. */
  constructor(dataset: Dataset, options: DataLoaderOptions = {}) {
    this.dataset = isDataset(dataset, 'DataLoader: dataset');
    if (dataset.length === 0) {
      throw new GlobalPercError('the data set given to DataLoader is empty; it needs at least one sample', {
        code: 'invalid-option',
      });
    }
    const {
      batchSize = 1,
      shuffle = false,
      sampler,
      dropLast = false,
      seed = 0,
      prefetch = 2,
    } = checkOptions(options, LOADER, 'DataLoader');
    if (sampler && shuffle)
      throw new GlobalPercError('DataLoader: a sampler has an order of its own; leave shuffle out', {
        code: 'invalid-option',
      });
    this.sampler = sampler;
    this.samples = sampler?.length ?? dataset.length;
    this.batchSize = batchSize;
    this.seed = seed;
    this.prefetch = prefetch;
    this.shuffle = shuffle;
    this.dropLast = dropLast;
  }

  /** Batches per epoch. 0 if `dropLast` leaves none. */
  get length(): number {
    const batches = this.samples / this.batchSize;
    return this.dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  /**
   * One epoch; each further iteration is the next one, also after one left early.
   * Iterating throws GlobalPercError when samples of one batch differ in shape, and what the data set throws.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Batch> {
    const epoch = this.nextEpoch;
    this.nextEpoch += 1;
    return inOrder(this.epochPlaces(epoch), (place) => this.load(place), this.prefetch);
  }

  /**
   * Batches without end, epoch after epoch, from batch number `from` on. Batch k is the same whatever `from` was, so a
   * resumed run goes on with the batches it would have seen. All are full: an epoch's last partial batch is left out,
   * and an epoch smaller than a batch is repeated within it.
   * @throws GlobalPercError when `from` is not a non-negative integer; iterating throws as an epoch does.
   */
  stream(options: StreamOptions = {}): AsyncGenerator<Batch> {
    const { from = 0 } = checkOptions(options, STREAM, 'DataLoader.stream');
    return inOrder(this.streamPlaces(from), (place) => this.load(place), this.prefetch);
  }

  private *epochPlaces(epoch: number): Places {
    for (let batch = 0; batch < this.length; batch += 1) {
      const start = batch * this.batchSize;
      yield { epoch, start, end: Math.min(start + this.batchSize, this.samples) };
    }
  }

  private *streamPlaces(from: number): Places {
    const perEpoch = Math.max(1, Math.floor(this.samples / this.batchSize));
    for (let batch = from; ; batch += 1) {
      const start = (batch % perEpoch) * this.batchSize;
      yield { epoch: Math.floor(batch / perEpoch), start, end: start + this.batchSize };
    }
  }

  private async load({ epoch, start, end }: Place): Promise<Batch> {
    const positions = Array.from({ length: end - start }, (_, i) => start + i);
    const order = this.orderOf(epoch);
    const indices = positions.map((position) => order[position % order.length] as number);
    const samples = await Promise.all(
      positions.map((position, i) =>
        this.dataset.get(indices[i] as number, new Generator(this.seed, epoch, SAMPLE, position)),
      ),
    );
    return { input: stack(samples, indices, 'input'), target: stack(samples, indices, 'target') };
  }

  /** Indices of an epoch's samples. The last epoch's are kept: a batch alone would have to shuffle all. */
  private orderOf(epoch: number): Uint32Array {
    if (this.order?.epoch !== epoch) this.order = { epoch, indices: this.newOrder(epoch) };
    return this.order.indices;
  }

  private newOrder(epoch: number): Uint32Array {
    const { length } = this.dataset;
    const generator = new Generator(this.seed, epoch, ORDER);
    if (!this.sampler) return this.shuffle ? generator.permutation(length) : Uint32Array.from({ length }, (_, i) => i);
    const indices = this.sampler.indices(generator);
    const outside = indices.find((index) => index >= length);
    if (outside === undefined) return indices;
    throw new GlobalPercError(`DataLoader: the sampler gave sample ${outside}, the data set has ${length}`, {
      code: 'invalid-argument',
    });
  }
}

/** Results in the order of the items, `ahead` of them under way while the caller works on one. */
async function* inOrder<Item, Result>(
  items: Iterator<Item>,
  work: (item: Item) => Promise<Result>,
  ahead: number,
): AsyncGenerator<Result> {
  const running: Promise<Result>[] = [];
  for (;;) {
    while (running.length <= ahead) {
      const next = items.next();
      if (next.done) break;
      const result = work(next.value);
      // A failure is thrown below, when its turn comes; until then, and if the caller leaves, it is no unhandled one.
      result.catch(() => undefined);
      running.push(result);
    }
    const first = running.shift();
    if (first === undefined) return;
    yield await first;
  }
}

/** Tensors of one shape and type, one after the other along a new first dimension. */
function stack(samples: readonly Sample[], indices: readonly number[], side: keyof Sample): SampleTensor {
  const tensors = samples.map((sample) => sample[side]);
  const first = tensors[0] as SampleTensor;
  tensors.forEach((tensor, i) => {
    checkTensor(tensor, `${side} of sample ${indices[i]}`);
    checkAlike(tensor, first, `${side} of sample ${indices[i]}`, `sample ${indices[0]}`);
  });
  const dims = [tensors.length, ...first.dims];
  const size = first.data.length;
  if (first.data instanceof BigInt64Array) {
    const data = new BigInt64Array(tensors.length * size);
    for (const [i, tensor] of tensors.entries()) data.set(tensor.data as BigInt64Array, i * size);
    return { dims, data };
  }
  const data = new Float32Array(tensors.length * size);
  for (const [i, tensor] of tensors.entries()) data.set(tensor.data as Float32Array, i * size);
  return { dims, data };
}

function checkAlike(tensor: SampleTensor, first: SampleTensor, name: string, firstName: string): void {
  const [type, firstType] = [tensor, first].map(({ data }) => (data instanceof BigInt64Array ? 'int64' : 'float32'));
  if (type !== firstType) {
    throw new GlobalPercError(
      `samples of one batch should have one type: ${name} is ${type}, ${firstName} ${firstType}`,
      { code: 'invalid-argument' },
    );
  }
  if (tensor.dims.length !== first.dims.length || tensor.dims.some((dim, axis) => dim !== first.dims[axis])) {
    throw new GlobalPercError(
      `samples of one batch should have one shape: ${name} is [${tensor.dims}], ${firstName} [${first.dims}]; ` +
        'crop or resize them alike, or use batchSize 1',
      { code: 'invalid-argument' },
    );
  }
}
