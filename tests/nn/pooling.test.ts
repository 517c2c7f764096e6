/** Windows with padding, dilation and `ceilMode`, against PyTorch's definition written out along one axis. */
import { describe, expect, it } from 'vitest';
import { constantOf, type Tensor } from '../../src/graph/index.js';
import { functional } from '../../src/nn/index.js';
import { createGraph } from '../../src/ops/index.js';
import { expectClose, runGraph } from '../support/run.js';

interface Windows {
  size: number;
  kernel: number;
  stride: number;
  padding: number;
  dilation: number;
  ceilMode: boolean;
}

/** pooling_output_shape of ATen/native/Pool.h. */
function windowCount({ size, kernel, stride, padding, dilation, ceilMode }: Windows): number {
  const room = size + 2 * padding - dilation * (kernel - 1) - 1;
  const count = Math.floor((room + (ceilMode ? stride - 1 : 0)) / stride) + 1;
  return ceilMode && (count - 1) * stride >= size + padding ? count - 1 : count;
}

/** Places that each window covers. */
const placesOf = (windows: Windows): number[][] =>
  Array.from({ length: windowCount(windows) }, (_, o) =>
    Array.from({ length: windows.kernel }, (_, k) => o * windows.stride + k * windows.dilation - windows.padding),
  );

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

const all: Windows[] = range(5, 9).flatMap((size) =>
  range(1, 4).flatMap((kernel) =>
    range(1, 5).flatMap((stride) =>
      range(0, Math.floor(kernel / 2)).flatMap((padding) =>
        [false, true].map((ceilMode) => ({ size, kernel, stride, padding, dilation: 1, ceilMode })),
      ),
    ),
  ),
);

const valuesOf = (size: number): number[] => range(1, size).map((i) => Math.sin(7 * i) - 2);

/** Every pool in one graph. */
async function runAll(
  pools: readonly Windows[],
  pool: (x: Tensor, windows: Windows) => Tensor,
): Promise<Map<Windows, number[]>> {
  const graph = createGraph();
  const image = (size: number): Tensor => graph.constant(constantOf('float32', [1, 1, size], valuesOf(size)));
  const outputs = Object.fromEntries(pools.map((windows, i) => [`y${i}`, pool(image(windows.size), windows)]));
  const results = await runGraph(graph, outputs, {});
  return new Map(pools.map((windows, i) => [windows, results[`y${i}`] as number[]]));
}

const inside = (place: number, from: number, to: number): boolean => place >= from && place < to;

describe('windows of pools', () => {
  it('maximum', async () => {
    const dilated = all.flatMap((windows) =>
      windows.kernel > 1 && windows.size > 7 ? [windows, { ...windows, dilation: 2 }] : [windows],
    );
    const results = await runAll(dilated, (x, { kernel, size: _, ...options }) =>
      functional.maxPool1d(x, kernel, options),
    );
    for (const [windows, actual] of results) {
      const values = valuesOf(windows.size);
      const expected = placesOf(windows).map((places) => Math.max(...places.flatMap((place) => values[place] ?? [])));
      expectClose(actual, expected, 1e-6, JSON.stringify(windows));
    }
  });

  it.each([true, false])('mean, the padding counted: %s', async (countIncludePad) => {
    const results = await runAll(all, (x, { kernel, size: _size, dilation: _, ...options }) =>
      functional.avgPool1d(x, kernel, { ...options, countIncludePad }),
    );
    for (const [windows, actual] of results) {
      const values = valuesOf(windows.size);
      const margin = countIncludePad ? windows.padding : 0;
      const expected = placesOf(windows).map((places) => {
        const counted = places.filter((place) => inside(place, -margin, windows.size + margin));
        return counted.reduce((sum, place) => sum + (values[place] ?? 0), 0) / counted.length;
      });
      expectClose(actual, expected, 1e-6, JSON.stringify(windows));
    }
  });

  it('sum over a divisor', async () => {
    const results = await runAll(all, (x, { kernel, size: _size, dilation: _, ...options }) =>
      functional.avgPool1d(x, kernel, { ...options, divisorOverride: 5 }),
    );
    for (const [windows, actual] of results) {
      const values = valuesOf(windows.size);
      const expected = placesOf(windows).map(
        (places) => places.reduce((sum, place) => sum + (values[place] ?? 0), 0) / 5,
      );
      expect(actual.length).toBe(expected.length);
      expectClose(actual, expected, 1e-6, JSON.stringify(windows));
    }
  });
});
