/** Order, completeness and repeatability of batches. */
import { describe, expect, it } from 'vitest';
import { type Dataset, type Sample, TensorDataset } from '../../src/data/dataset.js';
import { type Batch, DataLoader, type DataLoaderOptions } from '../../src/data/loader.js';
import { GlobalPercError } from '../../src/graph/index.js';
import type { Generator } from '../../src/random/index.js';

/** Input: the sample's index and a random number; target: its index as a class. */
class Numbers implements Dataset {
  /** Samples asked for so far. */
  asked = 0;
  readonly length: number;

  constructor(length: number) {
    this.length = length;
  }

  async get(index: number, generator: Generator): Promise<Sample> {
    this.asked += 1;
    const random = generator.uniform();
    // Later samples are ready sooner.
    await new Promise((resolve) => setTimeout(resolve, this.length - index));
    return {
      input: { dims: [2], data: Float32Array.of(index, random) },
      target: { dims: [], data: BigInt64Array.of(BigInt(index)) },
    };
  }
}

async function take(batches: AsyncIterable<Batch>, count = Number.POSITIVE_INFINITY): Promise<Batch[]> {
  const taken: Batch[] = [];
  for await (const batch of batches) {
    taken.push(batch);
    if (taken.length >= count) break;
  }
  return taken;
}

const indicesOf = (batches: readonly Batch[]): number[] =>
  batches.flatMap(({ target }) => Array.from(target.data, Number));
const randomOf = (batches: readonly Batch[]): number[] =>
  batches.flatMap(({ input }) => Array.from(input.data, Number).filter((_, i) => i % 2 === 1));
const ascending = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const loaderOf = (length: number, options: DataLoaderOptions): DataLoader =>
  new DataLoader(new Numbers(length), options);

describe('an epoch', () => {
  it('holds every sample once, the last batch partial', async () => {
    const loader = loaderOf(7, { batchSize: 3 });
    const batches = await take(loader);
    expect(indicesOf(batches)).toEqual(ascending(7));
    expect(batches.map(({ input }) => input.dims)).toEqual([
      [3, 2],
      [3, 2],
      [1, 2],
    ]);
    expect(loader.length).toBe(3);
    expect(loader.batchSize).toBe(3);
  });

  it('leaves a partial batch out with dropLast', async () => {
    const loader = loaderOf(7, { batchSize: 3, dropLast: true });
    expect(indicesOf(await take(loader))).toEqual(ascending(6));
    expect(loader.length).toBe(2);
    expect(loaderOf(2, { batchSize: 3, dropLast: true }).length).toBe(0);
  });

  it('has a new order and new random numbers each time, the same for the same seed', async () => {
    const options = { batchSize: 4, shuffle: true, seed: 5 };
    const loader = loaderOf(20, options);
    const [first, second] = [await take(loader), await take(loader)];
    for (const epoch of [first, second]) expect(indicesOf(epoch).sort((a, b) => a - b)).toEqual(ascending(20));
    expect(indicesOf(first)).not.toEqual(ascending(20));
    expect(indicesOf(second)).not.toEqual(indicesOf(first));
    const again = loaderOf(20, options);
    expect([await take(again), await take(again)]).toEqual([first, second]);
    expect(indicesOf(await take(loaderOf(20, { ...options, seed: 6 })))).not.toEqual(indicesOf(first));
    expect(new Set(randomOf([...first, ...second])).size).toBe(40);
  });

  it('is followed by the next one when it is left early', async () => {
    const options = { batchSize: 4, shuffle: true };
    const [loader, other] = [loaderOf(12, options), loaderOf(12, options)];
    await take(loader, 1);
    await take(other);
    expect(await take(loader)).toEqual(await take(other));
  });
});

describe('a stream', () => {
  it.each([0, 1, 2])('goes on from any batch as if it had never stopped, prefetching %i', async (prefetch) => {
    const options = { batchSize: 3, shuffle: true, seed: 9, prefetch };
    const whole = await take(loaderOf(10, options).stream(), 12);
    for (const from of [1, 3, 7]) {
      expect(await take(loaderOf(10, options).stream({ from }), 12 - from)).toEqual(whole.slice(from));
    }
  });

  it('has the batches of the epochs, all of them full', async () => {
    const options = { batchSize: 3, shuffle: true };
    const streamed = await take(loaderOf(7, options).stream(), 4);
    const loader = loaderOf(7, { ...options, dropLast: true });
    expect(streamed).toEqual([...(await take(loader)), ...(await take(loader))]);
  });

  it('repeats a data set smaller than a batch, with other random numbers', async () => {
    const batches = await take(loaderOf(2, { batchSize: 5 }).stream(), 2);
    expect(indicesOf(batches)).toEqual([0, 1, 0, 1, 0, 0, 1, 0, 1, 0]);
    expect(new Set(randomOf(batches)).size).toBe(10);
  });
});

describe('prefetching', () => {
  it('prepares as many batches as asked for and stops with its reader', async () => {
    const dataset = new Numbers(40);
    const stream = new DataLoader(dataset, { batchSize: 2, prefetch: 3 }).stream();
    expect(dataset.asked).toBe(0);
    await stream.next();
    expect(dataset.asked).toBe(2 * (1 + 3));
    await stream.return(undefined);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(dataset.asked).toBe(8);
  });

  it('throws an error with its batch, and leaves none unhandled', async () => {
    const failing: Dataset = {
      length: 6,
      get: async (index) => {
        if (index >= 2) throw new GlobalPercError(`sample ${index} is damaged`, { code: 'invalid-file' });
        return {
          input: { dims: [], data: Float32Array.of(index) },
          target: { dims: [], data: Float32Array.of(index) },
        };
      },
    };
    const seen: Batch[] = [];
    const read = async (): Promise<void> => {
      for await (const batch of new DataLoader(failing)) {
        seen.push(batch);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await expect(read()).rejects.toThrow('sample 2 is damaged');
    expect(seen).toHaveLength(2);
    // Left before the failed batches are reached: vitest fails a run with unhandled rejections.
    await take(new DataLoader(failing), 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

describe('TensorDataset', () => {
  const image = (value: number, ...dims: number[]) => ({
    dims,
    data: new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(value),
  });
  const label = (value: bigint) => ({ dims: [], data: BigInt64Array.of(value) });

  it('stacks images and keeps class indices as int64', async () => {
    const dataset = new TensorDataset([image(1, 1, 2, 2), image(2, 1, 2, 2)], [label(7n), label(8n)]);
    const [batch] = await take(new DataLoader(dataset, { batchSize: 2 }));
    expect(batch).toEqual({
      input: { dims: [2, 1, 2, 2], data: Float32Array.of(1, 1, 1, 1, 2, 2, 2, 2) },
      target: { dims: [2], data: BigInt64Array.of(7n, 8n) },
    });
  });

  it('refuses what does not fit', async () => {
    expect(() => new TensorDataset([image(0, 2)], [])).toThrow('a target per input, got 1 and 0');
    const short = { dims: [3], data: new Float32Array(2) };
    expect(() => new TensorDataset([image(0, 2)], [short])).toThrow('targets[0]: dims [3] need 3 values, data holds 2');
    await expect(new TensorDataset([image(0, 2)], [label(0n)]).get(1)).rejects.toThrow('from 0 to 0, got 1');
  });

  it('names samples of one batch that differ', async () => {
    const shapes = new TensorDataset([image(0, 3, 4, 4), image(0, 3, 8, 6)], [label(0n), label(1n)]);
    await expect(take(new DataLoader(shapes, { batchSize: 2 }))).rejects.toThrow(
      'input of sample 1 is [3,8,6], sample 0 [3,4,4]',
    );
    expect(await take(new DataLoader(shapes))).toHaveLength(2);
    const types = new TensorDataset([image(0, 1), image(0, 1)], [label(0n), image(1)]);
    await expect(take(new DataLoader(types, { batchSize: 2 }))).rejects.toThrow(
      'target of sample 1 is float32, sample 0 int64',
    );
  });
});

it('refuses empty data sets and options out of range', () => {
  expect(() => new DataLoader(new TensorDataset([], []))).toThrow(GlobalPercError);
  expect(() => loaderOf(3, { batchSize: 0 })).toThrow('batchSize should be an integer from 1 on, got 0');
  expect(() => loaderOf(3, { prefetch: -1 })).toThrow('prefetch should be an integer from 0 on, got -1');
  expect(() => loaderOf(3, { seed: 0.5 })).toThrow('seed should be an integer, got 0.5');
  expect(() => loaderOf(3, {}).stream({ from: -1 })).toThrow('from should be an integer from 0 on, got -1');
});
