/** Weighted drawing as PyTorch's, and parts and repetitions of data sets. */
import { describe, expect, it } from 'vitest';
import { DataLoader, randomSplit, repeat, TensorDataset, take, WeightedRandomSampler } from '../../src/data/browser.js';
import { Generator } from '../../src/random/index.js';

const dataset = (length: number): TensorDataset => {
  const numbers = Array.from({ length }, (_, i) => ({ dims: [], data: Float32Array.of(i) }));
  return new TensorDataset(numbers, numbers);
};

async function indicesOf(loader: DataLoader, from: number, batches: number): Promise<number[]> {
  const stream = loader.stream({ from });
  const found: number[] = [];
  for (let i = 0; i < batches; i += 1) found.push(...Array.from((await stream.next()).value.target.data, Number));
  return found;
}

describe('WeightedRandomSampler', () => {
  it('draws in proportion to the weights, and never what has none', () => {
    const weights = [0, 1, 0, 3, 6, 0];
    const drawn = new WeightedRandomSampler(weights, 20_000).indices(new Generator(0));
    const shares = weights.map((_, i) => drawn.filter((index) => index === i).length / drawn.length);
    expect([shares[0], shares[2], shares[5]]).toEqual([0, 0, 0]);
    for (const [i, share] of [0.1, 0.3, 0.6].entries()) expect(shares[[1, 3, 4][i] as number]).toBeCloseTo(share, 1.5);
  });

  it('draws each at most once without replacement, the heavy ones first', () => {
    // P(first is i) = wᵢ/Σw.
    const sampler = new WeightedRandomSampler([1, 0, 3, 4], 3, { replacement: false });
    const orders = Array.from({ length: 4000 }, (_, seed) => Array.from(sampler.indices(new Generator(seed))));
    for (const order of orders) expect([...order].sort()).toEqual([0, 2, 3]);
    const first = [0, 2, 3].map((index) => orders.filter((order) => order[0] === index).length / orders.length);
    for (const [i, share] of [1 / 8, 3 / 8, 4 / 8].entries())
      expect(Math.abs((first[i] as number) - share)).toBeLessThan(0.03);
  });

  it('makes epochs of its length, which go on exactly and differ', async () => {
    const sampler = new WeightedRandomSampler([1, 1, 8], 4);
    const loader = new DataLoader(dataset(3), { batchSize: 2, sampler, seed: 3 });
    expect(loader.length).toBe(2);
    const all = await indicesOf(loader, 0, 8);
    expect(await indicesOf(loader, 5, 3)).toEqual(all.slice(10));
    expect(new Set([0, 4, 8, 12].map((start) => String(all.slice(start, start + 4)))).size).toBeGreaterThan(1);
  });

  it.each([
    [
      'a negative weight',
      () => new WeightedRandomSampler([1, -1], 1),
      'weights[1] should be a number from 0 on, got -1',
    ],
    ['no weight', () => new WeightedRandomSampler([0, 0], 1), 'at least one weight above 0, got 0'],
    [
      'more than there are',
      () => new WeightedRandomSampler([1, 0, 1], 3, { replacement: false }),
      'at least 3 weights above 0 to draw without replacement, got 2',
    ],
    ['no samples', () => new WeightedRandomSampler([1], 0), 'numSamples should be an integer from 1 on, got 0'],
    [
      'an order beside a sampler',
      () => new DataLoader(dataset(1), { shuffle: true, sampler: new WeightedRandomSampler([1], 1) }),
      'a sampler has an order of its own; leave shuffle out',
    ],
  ])('refuses %s', (_, make, message) => {
    expect(make).toThrow(message);
  });

  it('refuses weights of samples that are not there', async () => {
    const loader = new DataLoader(dataset(2), { sampler: new WeightedRandomSampler([0, 0, 1], 1) });
    await expect(indicesOf(loader, 0, 1)).rejects.toThrow('the sampler gave sample 2, the data set has 2');
  });
});

describe('take and repeat', () => {
  it('go through the first samples, several times an epoch', async () => {
    const some = take(dataset(5), 3);
    expect([some.length, take(some, 9).length, repeat(some, 2).length]).toEqual([3, 3, 6]);
    expect(await indicesOf(new DataLoader(repeat(some, 2), { batchSize: 6 }), 0, 1)).toEqual([0, 1, 2, 0, 1, 2]);
    await expect(some.get(3, new Generator(0))).rejects.toThrow('index should be an integer from 0 to 2, got 3');
    expect(() => take(some, 0)).toThrow('take: samples should be an integer from 1 on, got 0');
    expect(() => repeat(some, 1.5)).toThrow('repeat: times should be an integer from 1 on, got 1.5');
  });
});

describe('randomSplit', () => {
  const valuesOf = async (part: { readonly length: number }): Promise<number[]> =>
    indicesOf(new DataLoader(part as TensorDataset, { batchSize: part.length }), 0, 1);

  it.each([
    [
      [0.7, 0.3],
      [7, 3],
    ],
    // PyTorch's: rounded down, the rest to the first parts.
    [
      [0.25, 0.25, 0.5],
      [3, 2, 5],
    ],
    [
      [4, 6],
      [4, 6],
    ],
  ])('gives parts of %s as %s of ten samples, each in one', async (lengths, sizes) => {
    const parts = randomSplit(dataset(10), lengths);
    expect(parts.map(({ length }) => length)).toEqual(sizes);
    const values = (await Promise.all(parts.map(valuesOf))).flat();
    expect(values.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, i) => i));
    expect(values).not.toEqual(values.toSorted((a, b) => a - b));
  });

  it('is the same for a seed, and another for another', async () => {
    const split = (seed: number) => valuesOf(randomSplit(dataset(20), [0.5, 0.5], { seed })[1] as TensorDataset);
    expect(await split(1)).toEqual(await split(1));
    expect(await split(1)).not.toEqual(await split(2));
  });

  it.each([[[4, 4]], [[0.9, 0.2]], [[10, 0]], [[0.95, 0.05]], [[5.5, 4.5]]])('refuses %s of ten samples', (lengths) => {
    expect(() => randomSplit(dataset(10), lengths)).toThrow('that sum to 10, the samples there are, or shares');
  });
});
