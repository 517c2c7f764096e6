/** Batches, whatever the options: order, repeatability, preparing ahead. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Batch, DataLoader, type Dataset, type SampleTensor } from '../../src/data/index.js';
import { GlobalPercError } from '../../src/graph/index.js';

/** Sample i is [i], and a random number for the target. */
class Numbers implements Dataset {
  readonly length: number;
  /** Indices asked for. */
  readonly asked: number[] = [];

  constructor(length: number) {
    this.length = length;
  }

  async get(...[index, generator]: Parameters<Dataset['get']>) {
    this.asked.push(index);
    return { input: vector(index), target: vector(generator.uniform()) };
  }
}

const vector = (...values: number[]): SampleTensor => ({ dims: [values.length], data: Float32Array.from(values) });

const valuesOf = (batches: readonly Batch[]): number[] =>
  batches.flatMap(({ input }) => Array.from(input.data, Number));

async function take(batches: AsyncIterable<Batch>, count = Number.POSITIVE_INFINITY): Promise<Batch[]> {
  const taken: Batch[] = [];
  for await (const batch of batches) {
    taken.push(batch);
    if (taken.length === count) break;
  }
  return taken;
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 10));

const options = fc.record({
  batchSize: fc.integer({ min: 1, max: 5 }),
  shuffle: fc.boolean(),
  dropLast: fc.boolean(),
  seed: fc.integer(),
  prefetch: fc.integer({ min: 0, max: 4 }),
});
const length = fc.integer({ min: 5, max: 17 });

describe('an epoch', () => {
  it('holds each sample once, or all but the last few', async () => {
    const property = fc.asyncProperty(length, options, async (count, chosen) => {
      const loader = new DataLoader(new Numbers(count), chosen);
      const batches = await take(loader);
      const values = valuesOf(batches);
      expect(batches).toHaveLength(loader.length);
      expect(new Set(values).size).toBe(values.length);
      expect(values).toHaveLength(chosen.dropLast ? count - (count % chosen.batchSize) : count);
      if (!chosen.shuffle) expect(values).toEqual(values.toSorted((a, b) => a - b));
    });
    await fc.assert(property);
  });

  it('has an order and random choices of its own, the same for every loader of a seed', async () => {
    const create = (seed: number) => new DataLoader(new Numbers(20), { batchSize: 4, shuffle: true, seed });
    const [first, second, other] = [create(1), create(1), create(2)];
    const epochs = [await take(first), await take(first)] as const;
    expect(valuesOf(epochs[0])).not.toEqual(valuesOf(epochs[1]));
    expect(epochs[0].map(({ target }) => target)).not.toEqual(epochs[1].map(({ target }) => target));
    expect([await take(second), await take(second)]).toEqual(epochs);
    expect(valuesOf(await take(other))).not.toEqual(valuesOf(epochs[0]));
  });
});

describe('a stream', () => {
  it('has the same batch number k wherever it begins', async () => {
    const property = fc.asyncProperty(length, options, fc.nat({ max: 20 }), async (count, chosen, from) => {
      const create = () => new DataLoader(new Numbers(count), chosen);
      const whole = await take(create().stream(), from + 4);
      expect(await take(create().stream({ from }), 4)).toEqual(whole.slice(from));
    });
    await fc.assert(property, { numRuns: 50 });
  });

  it('goes over the epochs of the loader and leaves out their last partial batch', async () => {
    const create = () => new DataLoader(new Numbers(11), { batchSize: 3, shuffle: true });
    const loader = create();
    const epochs = [...(await take(loader)).slice(0, 3), ...(await take(loader)).slice(0, 3)];
    expect(await take(create().stream(), 6)).toEqual(epochs);
  });
});

describe('preparing ahead', () => {
  it.each([0, 1, 3])('reads %i batches ahead, and none once the loop is left', async (prefetch) => {
    const dataset = new Numbers(100);
    for await (const _batch of new DataLoader(dataset, { prefetch })) {
      await settled();
      if (dataset.asked.length === prefetch + 2) break;
      expect(dataset.asked).toHaveLength(prefetch + 1);
      // The second batch is asked for when the first one is done with.
    }
    await settled();
    expect(dataset.asked).toHaveLength(prefetch + 2);
  });

  it('gives an error to whoever takes its batch, and to nobody else', async () => {
    const broken: Dataset = {
      length: 4,
      get: async (index) => {
        if (index >= 2) throw new GlobalPercError(`sample ${index} is broken`, { code: 'invalid-file' });
        return { input: vector(index), target: vector(index) };
      },
    };
    const unhandled: unknown[] = [];
    const listen = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', listen);
    const seen: number[] = [];
    const all = async () => {
      for await (const { input } of new DataLoader(broken, { prefetch: 3 })) seen.push(Number(input.data[0]));
    };
    await expect(all()).rejects.toThrow('sample 2 is broken');
    expect(seen).toEqual([0, 1]);
    expect(await take(new DataLoader(broken, { prefetch: 3 }), 1)).toHaveLength(1);
    await settled();
    process.off('unhandledRejection', listen);
    expect(unhandled).toEqual([]);
  });
});
