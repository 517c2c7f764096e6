/** Functions that no layer stands for, against their definitions. */
import { describe, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { constantOf, sizeOf, type Tensor } from '../../src/graph/index.js';
import { functional } from '../../src/nn/index.js';
import { createGraph } from '../../src/ops/index.js';
import { expectClose, runGraph } from '../support/run.js';

const numbers = (shape: readonly number[], seed: number): number[] =>
  Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(seed + 3.7 * i));

describe('scaledDotProductAttention', () => {
  const [LENGTH, KEYS, WIDTH] = [3, 4, 2];
  const [q, k, v] = [numbers([LENGTH, WIDTH], 1), numbers([KEYS, WIDTH], 2), numbers([KEYS, WIDTH], 3)];

  /** Σ softmax(scale·q·k + bias)·v for every query; a bias of −∞ leaves a key out. */
  function expected(scale: number, bias: (query: number, key: number) => number): number[] {
    return Array.from({ length: LENGTH }, (_, i) => {
      const scores = Array.from({ length: KEYS }, (_, j) =>
        Math.exp(
          scale *
            Array.from({ length: WIDTH }, (_, w) => (q[i * WIDTH + w] as number) * (k[j * WIDTH + w] as number)).reduce(
              (a, b) => a + b,
            ) +
            bias(i, j),
        ),
      );
      const total = scores.reduce((a, b) => a + b);
      return Array.from({ length: WIDTH }, (_, w) =>
        scores.reduce((sum, score, j) => sum + (score / total) * (v[j * WIDTH + w] as number), 0),
      );
    }).flat();
  }

  const MASK = [1, 1, 0, 1, 0, 1, 1, 1, 1, 0, 0, 1];
  const BIAS = numbers([LENGTH, KEYS], 4);
  const plain = 1 / Math.sqrt(WIDTH);
  it.each([
    { name: 'plain', options: {}, scale: plain, bias: () => 0 },
    { name: 'scaled', options: { scale: 2 }, scale: 2, bias: () => 0 },
    {
      name: 'causal',
      options: { isCausal: true },
      scale: plain,
      bias: (i: number, j: number) => (j > i ? -Infinity : 0),
    },
    {
      name: 'bool mask',
      options: { mask: 'bool' as const },
      scale: plain,
      bias: (i: number, j: number) => (MASK[i * KEYS + j] ? 0 : -Infinity),
    },
    {
      name: 'float mask',
      options: { mask: 'float32' as const },
      scale: plain,
      bias: (i: number, j: number) => BIAS[i * KEYS + j] as number,
    },
  ])(
    '$name',
    async ({
      options: { mask, ...options },
      scale,
      bias,
    }: {
      options: { mask?: 'bool' | 'float32'; scale?: number; isCausal?: boolean };
      scale: number;
      bias: (i: number, j: number) => number;
    }) => {
      const graph = createGraph();
      const tensor = (rows: number, data: number[]): Tensor =>
        graph.constant(constantOf('float32', [1, rows, WIDTH], data));
      const attnMask = mask && graph.constant(constantOf(mask, [LENGTH, KEYS], mask === 'bool' ? MASK : BIAS));
      const y = functional.scaledDotProductAttention(tensor(LENGTH, q), tensor(KEYS, k), tensor(KEYS, v), {
        ...options,
        attnMask,
      });
      expectClose((await runGraph(graph, { y }, {})).y as number[], expected(scale, bias), 1e-5, 'output');
    },
  );
});

describe('normalize', () => {
  const rows = [
    [3, -4, 0],
    [0, 0, 0],
    [1, 2, -2],
  ];
  it.each([
    { p: 1 as const, norm: (row: number[]) => row.reduce((sum, x) => sum + Math.abs(x), 0) },
    { p: 2 as const, norm: (row: number[]) => Math.hypot(...row) },
  ])('p = $p, with zeros kept and a finite gradient', async ({ p, norm }) => {
    const graph = createGraph();
    const data = constantOf('float32', [3, 3], rows.flat());
    const x = graph.input('x', 'float32', [3, 3]);
    const y = functional.normalize(x, { p });
    const [dx] = gradient(y.slice([0], [1], [2]).square().sum(), [x]) as [Tensor];
    const results = await runGraph(graph, { y, dx }, { x: data });
    const expected = rows.flatMap((row) => row.map((value) => value / Math.max(norm(row), 1e-12)));
    expectClose(results.y as number[], expected, 1e-6, 'output');
    expectClose(
      results.dx as number[],
      rows.flat().map(() => 0),
      1e-6,
      'gradient at zero',
    );
  });
});
