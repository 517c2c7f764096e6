/** Augmentations against DiffAugment's own arithmetic, number by number, and the same for both images of a step. */
import { describe, expect, it } from 'vitest';
import { type Augmentation, augmented } from '../../src/adversarial/augment.js';
import { constantOf } from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import { Generator } from '../../src/random/index.js';
import { Draws } from '../../src/transforms/index.js';
import { expectClose, runGraph } from '../support/run.js';

const SHAPE = [2, 3, 9, 12] as const;
const [BATCH, CHANNELS, ROWS, COLUMNS] = SHAPE;
const COUNTS: Readonly<Record<Augmentation, number>> = { color: 3, translation: 2, cutout: 2 };
const drawn = (count: number, seed: number): number[] => {
  const generator = new Generator(seed);
  return Array.from({ length: count }, () => generator.uniform());
};

const indexOf = (b: number, c: number, i: number, j: number): number => ((b * CHANNELS + c) * ROWS + i) * COLUMNS + j;
/** An image made pixel by pixel. */
const imageOf = (value: (b: number, c: number, i: number, j: number) => number): number[] =>
  Array.from({ length: BATCH * CHANNELS * ROWS * COLUMNS }, (_, n) =>
    value(
      Math.floor(n / (CHANNELS * ROWS * COLUMNS)),
      Math.floor(n / (ROWS * COLUMNS)) % CHANNELS,
      Math.floor(n / COLUMNS) % ROWS,
      n % COLUMNS,
    ),
  );
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;

type Images = readonly number[];
/** What DiffAugment makes, of the draws `u(k, b)`. */
const EXPECTED: Readonly<Record<Augmentation, (x: Images, u: (k: number, b: number) => number) => Images>> = {
  color(x, u) {
    const at = (images: Images, b: number, c: number, i: number, j: number) => images[indexOf(b, c, i, j)] as number;
    const brighter = imageOf((b, c, i, j) => at(x, b, c, i, j) + (u(0, b) - 0.5) / 2);
    const saturated = imageOf((b, c, i, j) => {
      const grey = mean([0, 1, 2].map((other) => at(brighter, b, other, i, j)));
      return (at(brighter, b, c, i, j) - grey) * 2 * u(1, b) + grey;
    });
    const size = CHANNELS * ROWS * COLUMNS;
    return imageOf((b, c, i, j) => {
      const whole = mean(saturated.slice(b * size, (b + 1) * size));
      return (at(saturated, b, c, i, j) - whole) * (u(2, b) + 0.5) + whole;
    });
  },
  translation(x, u) {
    const shift = (k: number, b: number, size: number) => {
      const most = Math.floor(size / 8 + 0.5);
      return Math.floor(u(k, b) * (2 * most + 1)) - most;
    };
    return imageOf((b, c, i, j) => {
      const [row, column] = [i + shift(0, b, ROWS), j + shift(1, b, COLUMNS)];
      const inside = row >= 0 && row < ROWS && column >= 0 && column < COLUMNS;
      return inside ? (x[indexOf(b, c, row, column)] as number) : 0;
    });
  },
  cutout(x, u) {
    const isCut = (k: number, b: number, size: number, place: number) => {
      const side = Math.floor(size / 2 + 0.5);
      const first = Math.floor(u(k, b) * (size + (1 - (side % 2)))) - Math.floor(side / 2);
      return place >= first && place < first + side;
    };
    return imageOf((b, c, i, j) =>
      isCut(0, b, ROWS, i) && isCut(1, b, COLUMNS, j) ? 0 : (x[indexOf(b, c, i, j)] as number),
    );
  },
};

/** Random numbers that are given. */
class GivenDraws extends Draws {
  override once: Draws['once'] = (_, draw) => {
    const { graph, shape } = draw();
    const known = graph.inputs.find(({ name }) => name === 'u');
    expect(known).toBeUndefined();
    return graph.input('u', 'float32', shape);
  };
}

describe('augmentations are those of DiffAugment', () => {
  it.each(['color', 'translation', 'cutout'] as const)('%s', async (name) => {
    for (const seed of [1, 2, 3, 4]) {
      const [x, u] = [drawn(BATCH * CHANNELS * ROWS * COLUMNS, seed), drawn(COUNTS[name] * BATCH, seed + 10)];
      const graph = createGraph();
      const result = augmented(graph.input('x', 'float32', SHAPE), [name], new GivenDraws(), {}, 1);
      const feeds = {
        x: constantOf('float32', SHAPE, x),
        u: constantOf('float32', [COUNTS[name], BATCH, 1, 1, 1], u),
      };
      const { y } = await runGraph(graph, { y: result }, feeds);
      expectClose(
        y ?? [],
        EXPECTED[name](x, (k, b) => u[k * BATCH + b] as number),
        1e-5,
        name,
      );
    }
  });

  it('two images of a step are changed alike, and others draw for themselves', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', SHAPE);
    const [draws, key] = [new Draws(), {}];
    const all = ['color', 'translation', 'cutout'] as const;
    const [a, b] = [augmented(x, all, draws, key, 1), augmented(x, all, draws, key, 1)];
    const results = await runGraph(
      graph,
      { a, b, c: augmented(x, all, draws, {}, 1) },
      { x: constantOf('float32', SHAPE, drawn(BATCH * CHANNELS * ROWS * COLUMNS, 1)) },
    );
    expect(results.a).toEqual(results.b);
    expect(results.a).not.toEqual(results.c);
  });
});
