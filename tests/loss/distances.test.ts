/** Distances and their gradients against stored PyTorch results. */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { constantOf, numbersOf, type Tensor } from '../../src/graph/index.js';
import * as criteria from '../../src/loss/criteria.js';
import { CosineLoss, type Distance, NormalizedTensorLoss, type Reduction } from '../../src/loss/distances.js';
import { GramLoss } from '../../src/loss/gram.js';
import { L1Loss, MSELoss, SmoothL1Loss } from '../../src/loss/pixel.js';
import { UnitLengthLoss } from '../../src/loss/unit-length.js';
import { createGraph } from '../../src/ops/index.js';
import { runGraph } from '../support/run.js';
import { readFixture } from '../support/safetensors.js';

type Spec = string | { type: string; norm?: string; dim?: number; beta?: number };
interface Case {
  name: string;
  loss: Spec;
  reduction: Reduction;
  a: string;
  b: string;
  cotangent?: string;
  output: string;
  grad: string;
  /** The original normalises the target by statistics of the prediction and then detaches it. */
  gradDetached?: string;
  /** How far PyTorch's own float32 results are from float64 ones, relative to these. */
  gradError: number;
  outputError: number;
}

const fixture = readFixture<Case>('losses.safetensors');

function distanceOf(loss: Spec, reduction: Reduction): Distance {
  const { type, norm, dim, beta = 1 } = typeof loss === 'string' ? ({ type: loss } as Exclude<Spec, string>) : loss;
  if (norm) return new NormalizedTensorLoss(type as 'l1', reduction, norm as 'cosine');
  if (type === 'cosine') return new CosineLoss({ reduction, ...(dim === undefined ? {} : { dim }) });
  if (type === 'l1') return new L1Loss({ reduction });
  if (type === 'gram') return new GramLoss({ reduction });
  if (type === 'unitLength') return new UnitLengthLoss({ reduction });
  if (type === 'mse') return new MSELoss({ reduction });
  return new SmoothL1Loss({ reduction, ...(beta === undefined ? {} : { beta }) });
}

/**
 * ‖difference‖ ≤ (10⁻⁴ + 2·noise)·‖expected‖ + 10⁻⁶. Noise is the error of PyTorch's own float32 result, at most all of
 * it (where the true result is 0); the last term is for results that are 0 but for rounding.
 */
function expectWithin(actual: readonly number[], expected: readonly number[], error: number, what: string): void {
  const noise = Math.min(error, 1);
  expect(actual).toHaveLength(expected.length);
  const difference = Math.hypot(...actual.map((value, i) => value - (expected[i] as number)));
  expect(difference, what).toBeLessThanOrEqual((1e-4 + 2 * noise) * Math.hypot(...expected) + 1e-6);
}

describe('distances', () => {
  it.each(fixture.cases.map((test) => ({ label: test.name, test })))('$label', async ({ test }) => {
    const graph = createGraph();
    const [a, b] = [fixture.tensor(test.a), fixture.tensor(test.b)];
    const input = graph.input('a', 'float32', a.shape);
    const output = distanceOf(test.loss, test.reduction).forward(input, graph.input('b', 'float32', b.shape));
    const loss = test.cotangent ? output.mul(graph.constant(fixture.tensor(test.cotangent))).sum() : output;
    const [grad] = gradient(loss, [input]);
    const results = await runGraph(graph, { output, grad: grad as typeof output }, { a, b });
    const expected = fixture.tensor(test.gradDetached ?? test.grad);
    expectWithin(results.output ?? [], numbersOf(fixture.tensor(test.output)), test.outputError, 'output');
    expectWithin(results.grad ?? [], numbersOf(expected), test.gradError, 'gradient');
  });
});

it.each([
  ['of length 0', 0],
  ['whose squares underflow', 1e-25],
  ['whose squares nearly do', 1e-20],
  ['shorter than ε', 1e-12],
  ['of any length', 0.5],
])('a cosine has its slope at vectors %s', async (_label, scale) => {
  const [x, y] = [
    [0.3, -0.8, 0.5],
    [0.7, 0.1, -0.6],
  ] as const;
  const graph = createGraph();
  const [input, target] = ['a', 'b'].map((name) => graph.input(name, 'float32', [1, 3])) as [Tensor, Tensor];
  const [grad] = gradient(new NormalizedTensorLoss('l1', 'sum').forward(input, target), [input]);
  const feeds = {
    a: constantOf(
      'float32',
      [1, 3],
      x.map((value) => scale * value),
    ),
    b: constantOf('float32', [1, 3], y),
  };
  const given = await runGraph(graph, { grad: grad as Tensor }, feeds);
  // −∂cos/∂x = −(y/‖y‖ − cos·x/‖x‖) / max(‖x‖, ε), cos = x·y / (max(‖x‖, ε)·‖y‖)
  const dot = x.reduce((sum, value, i) => sum + value * (y[i] as number), 0);
  const [unit, length] = [Math.hypot(...x), scale * Math.hypot(...x)];
  const bound = Math.max(length, 1e-8);
  const cosine = (scale * dot) / bound / Math.hypot(...y);
  const expected = x.map((value, i) => ((cosine * value) / unit - (y[i] as number) / Math.hypot(...y)) / bound);
  for (const [i, value] of (given.grad ?? []).entries())
    expect(value * bound).toBeCloseTo((expected[i] as number) * bound, 5);
  expect(given.grad).toHaveLength(3);
});

describe('data in place of symbolic tensors is refused in one line', () => {
  const made = ['PixelLoss', 'WeightedLoss', 'MappedLoss', 'TiledLoss'];
  const pixelLosses = Object.entries(criteria).filter(([name]) => !made.includes(name));
  const classes: [string, new () => Distance][] = [
    ...(pixelLosses as unknown as [string, new () => Distance][]),
    ...Object.entries({ NormalizedTensorLoss, CosineLoss, GramLoss, UnitLengthLoss }),
  ];
  const data = { dims: [1, 3, 16, 16], data: new Float32Array(3 * 16 * 16) };

  it.each(classes)('%s', (name, Class) => {
    const tensor = createGraph().input('x', 'float32', [1, 3, 200, 200]);
    const calls: [unknown, unknown, string][] = [
      [data, data, 'an object of class Object'],
      [tensor, data, 'an object of class Object'],
      [data.data, tensor, 'an object of class Float32Array'],
      [undefined, undefined, 'undefined'],
    ];
    for (const [input, target, kind] of calls) {
      expect(() => new Class().forward(input as Tensor, target as Tensor)).toThrow(
        `${name}.forward writes a graph and takes two symbolic tensors, got ${kind}; for data, use loss.evaluate(pred, target)`,
      );
    }
  });
});
