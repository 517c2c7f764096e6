/** Which element each mode 'nearest' output shows, for all small sizes and some scales. */
import { describe, expect, it } from 'vitest';
import { constantOf, type Tensor } from '../../src/graph/index.js';
import { functional, type UpsampleOptions } from '../../src/nn/index.js';
import { createGraph } from '../../src/ops/index.js';
import { runGraph } from '../support/run.js';

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** An axis that shows its own places, resized. */
async function placesShown(inSize: number, options: readonly UpsampleOptions[]): Promise<number[][]> {
  const graph = createGraph();
  const x = graph.constant(constantOf('float32', [1, 1, inSize], range(inSize)));
  const outputs = Object.fromEntries(
    options.map((option, i): [string, Tensor] => [`y${i}`, functional.interpolate(x, option)]),
  );
  const results = await runGraph(graph, outputs, {});
  return options.map((_, i) => results[`y${i}`] as number[]);
}

/** nearest_neighbor_compute_source_index of ATen/native/UpSample.h; `step` is a float32 there. */
const source = (o: number, step: number, inSize: number): number =>
  Math.min(Math.floor(Math.fround(o * Math.fround(step))), inSize - 1);

describe('nearest', () => {
  it.each([1, 3, 7, 12, 25, 28])('from %d elements to each size', async (inSize) => {
    const sizes = range(64).map((i) => i + 1);
    const shown = await placesShown(
      inSize,
      sizes.map((size) => ({ size })),
    );
    for (const [i, size] of sizes.entries()) {
      expect(shown[i], `to ${size}`).toEqual(range(size).map((o) => source(o, inSize / size, inSize)));
    }
  });

  it.each([0.1, 0.3, 0.7, 1, 1.1, 1.5, 2, 2.5, 3, 10 / 3])('by %d', async (scaleFactor) => {
    const [shown] = await placesShown(20, [{ scaleFactor }]);
    const expected = range(Math.floor(20 * scaleFactor)).map((o) => source(o, 1 / scaleFactor, 20));
    expect(shown).toEqual(expected);
  });
});
