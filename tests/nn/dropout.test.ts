/** What dropout does on the average, at the ends of its range, and in evaluation. */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { constantOf, type Tensor } from '../../src/graph/index.js';
import * as nn from '../../src/nn/index.js';
import { Trace } from '../../src/nn/index.js';
import { createGraph } from '../../src/ops/index.js';
import { feedOf, numbersIn, withSession } from '../support/run.js';

const SHAPE = [20, 1000];
const x = constantOf(
  'float32',
  SHAPE,
  Array.from({ length: 20000 }, (_, i) => 1 + (i % 7)),
);

/** Outputs and gradients of two runs of the same session. */
async function runTwice(layer: nn.Module, shape: readonly number[] = SHAPE) {
  const graph = createGraph();
  const input = graph.input('x', 'float32', shape);
  // As what is trained: a module that no one traces is used beside it, and in evaluation mode.
  new Trace(graph, layer);
  const y = layer(input);
  const [dx] = gradient(y.sum(), [input]) as [Tensor];
  const nodes = graph.nodes.filter(({ op }) => op === 'RandomUniform');
  graph.output('y', y);
  graph.output('dx', dx);
  return withSession(graph, async (session) => {
    const run = async () => {
      const results = await session.run({ x: feedOf({ ...x, shape }) });
      return { y: numbersIn(results.y), dx: numbersIn(results.dx) };
    };
    return { nodes, first: await run(), second: await run() };
  });
}

describe('Dropout', () => {
  it.each([0.1, 0.5, 0.8])('p = %d drops that share and scales the rest', async (p) => {
    const { nodes, first, second } = await runTwice(new nn.Dropout(p));
    expect(nodes.length).toBe(1);
    expect(nodes[0]?.attributes.seed).toBeUndefined();
    const dropped = first.y.filter((value) => value === 0).length / first.y.length;
    expect(Math.abs(dropped - p)).toBeLessThan(0.02);
    for (const [i, value] of first.y.entries()) {
      const scale = value === 0 ? 0 : 1 / (1 - p);
      expect(value).toBeCloseTo((1 + (i % 7)) * scale, 4);
      expect(first.dx[i]).toBeCloseTo(scale, 5);
    }
    expect(second.y).not.toEqual(first.y);
  });

  it('p = 0 and evaluation hand the input through', async () => {
    for (const layer of [new nn.Dropout(0), new nn.Dropout().eval()]) {
      const { nodes, first } = await runTwice(layer);
      expect(nodes).toEqual([]);
      expect(first.y).toEqual(Array.from({ length: 20000 }, (_, i) => 1 + (i % 7)));
      expect(new Set(first.dx)).toEqual(new Set([1]));
    }
  });

  it('p = 1 gives zeros and no gradient', async () => {
    const { first } = await runTwice(new nn.Dropout(1));
    expect(new Set(first.y)).toEqual(new Set([0]));
    expect(new Set(first.dx)).toEqual(new Set([0]));
  });

  it('draws for each call', async () => {
    const dropout = new nn.Dropout();
    const { nodes, first } = await runTwice(new nn.Sequential(dropout, dropout));
    expect(nodes.length).toBe(2);
    const kept = first.y.filter((value) => value !== 0).length / first.y.length;
    expect(Math.abs(kept - 0.25)).toBeLessThan(0.02);
  });

  it.each([
    ['Dropout1d', new nn.Dropout1d(0.3), [40, 50, 10]],
    ['Dropout2d', new nn.Dropout2d(0.3), [40, 50, 2, 5]],
    ['Dropout3d', new nn.Dropout3d(0.3), [40, 50, 1, 2, 5]],
  ] as const)('%s drops whole channels', async (_, layer, shape) => {
    const { first } = await runTwice(layer, shape);
    const channels = Array.from({ length: 2000 }, (_, i) => first.dx.slice(10 * i, 10 * (i + 1)));
    expect(channels.every((slopes) => new Set(slopes).size === 1)).toBe(true);
    const dropped = channels.filter(([slope]) => slope === 0).length / channels.length;
    expect(Math.abs(dropped - 0.3)).toBeLessThan(0.05);
    for (const [i, value] of first.y.entries()) expect(value).toBeCloseTo((1 + (i % 7)) * (first.dx[i] as number), 4);
    expect(first.dx.find((slope) => slope !== 0)).toBeCloseTo(1 / 0.7, 5);
  });

  it('AlphaDropout gives what it drops the value where SELU saturates, and keeps mean and variance', async () => {
    const p = 0.3;
    const saturation = 1.7580993408473766;
    const { first, second } = await runTwice(new nn.AlphaDropout(p));
    const a = 1 / Math.sqrt((1 - p) * (1 + p * saturation ** 2));
    const dropped = first.dx.filter((slope) => slope === 0).length / first.dx.length;
    expect(Math.abs(dropped - p)).toBeLessThan(0.02);
    for (const [i, value] of first.y.entries()) {
      const kept = first.dx[i] !== 0;
      expect(first.dx[i]).toBeCloseTo(kept ? a : 0, 5);
      expect(value).toBeCloseTo(a * (kept ? 1 + (i % 7) : -saturation) + a * p * saturation, 4);
    }
    expect(second.y).not.toEqual(first.y);
  });

  it('refuses what is no probability', () => {
    expect(() => new nn.Dropout(1.5)).toThrow(/Dropout: p should be a number from 0 to 1, got 1\.5/);
    expect(() => new nn.Dropout(Number.NaN)).toThrow(/from 0 to 1/);
  });
});

describe('MultiheadAttention', () => {
  const weightsOf = async (layer: nn.MultiheadAttention): Promise<number[]> => {
    const graph = createGraph();
    const input = graph.input('x', 'float32', [200, 1, 4]);
    new Trace(graph, layer);
    graph.output('weights', layer(input, input, input)[1] as Tensor);
    const sample = constantOf(
      'float32',
      [200, 1, 4],
      Array.from({ length: 800 }, (_, i) => Math.sin(i)),
    );
    return withSession(graph, async (session) => numbersIn((await session.run({ x: feedOf(sample) })).weights));
  };

  it('drops weights in training alone', async () => {
    const layer = new nn.MultiheadAttention(4, 1, { dropout: 0.3 });
    const dropped = (await weightsOf(layer)).filter((weight) => weight === 0).length / 200 ** 2;
    expect(Math.abs(dropped - 0.3)).toBeLessThan(0.02);
    expect((await weightsOf(layer.eval())).filter((weight) => weight === 0)).toEqual([]);
  });
});
