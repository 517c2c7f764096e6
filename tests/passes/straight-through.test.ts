/**
 * x + (q − x) of imported models, q being x rounded or the entry of a codebook: PyTorch detaches the bracket, so the gradient
 * goes straight to x.
 */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { concat, constantOf, float, int, type Tensor } from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import { specialize, transcribe } from '../../src/passes/index.js';
import { runSteps } from '../../src/runtime/index.js';
import { runGraph } from '../support/run.js';

const X = constantOf('float32', [2, 2], [0.4, 1.6, -0.6, 2.2]);
const WEIGHTS = constantOf('float32', [2, 2], [2, -3, 5, 7]);
const STRAIGHT = [2, -3, 5, 7];
const NONE = [0, 0, 0, 0];

type Build = (x: Tensor, other: Tensor) => Tensor;

/** The model as it is imported, and the gradient of Σ weights·model(x) by x; values beside it. */
async function imported(build: Build): Promise<{ grad: number[] | undefined; y: number[] | undefined }> {
  const model = createGraph();
  const [x, other] = [model.input('x', 'float32', [2, 2]), model.input('other', 'float32', [2, 2])];
  const y = build(x, other);
  const type = { dtype: 'float32', shape: [2, 2] } as const;
  const types = new Map([
    [x.value, type],
    [other.value, type],
  ]);
  const body = await runSteps(specialize(model, types, [y.value]));
  const graph = createGraph();
  const image = graph.input('x', 'float32', [2, 2]);
  const bindings = new Map([
    [body.valueOf(x.value), image],
    [body.valueOf(other.value), graph.constant(constantOf('float32', [2, 2], [9, 8, 7, 6]))],
  ]);
  const [result] = transcribe(body.graph, graph, bindings, [body.valueOf(y.value)]) as [Tensor];
  const [grad] = gradient(result.mul(graph.constant(WEIGHTS)).sum(), [image]) as [Tensor];
  const found = await runGraph(graph, { grad, y: result }, { x: X });
  return { grad: found.grad, y: found.y };
}

const CODEBOOK = constantOf('float32', [3, 2], [0, 2, -1, 2, 1, 0]);

/** Which row of the codebook is nearest to each row of x: 0 and 1. */
function nearest(x: Tensor): Tensor {
  const rows = x.graph.constant(CODEBOOK, 'codebook');
  const apart = x
    .unsqueeze([1])
    .sub(rows.unsqueeze([0]))
    .square()
    .sum([2]);
  return x.graph.emit('ArgMin', [apart], { axis: int(1), keepdims: int(0) })[0] as Tensor;
}
const coded: Build = (x) => x.graph.constant(CODEBOOK, 'codebook').gather(nearest(x), 0);
function oneHot(x: Tensor): Tensor {
  const { graph } = x;
  const values = graph.constant(constantOf('float32', [2], [0, 1]));
  const [rows] = graph.emit('OneHot', [nearest(x), graph.ints([3]), values], { axis: int(-1) }) as [Tensor];
  return rows.matmul(graph.constant(CODEBOOK, 'codebook'));
}
const rounded: Build = (x) => x.unary('Round');
const straight =
  (quantized: Build): Build =>
  (x, other) =>
    x.add(quantized(x, other).sub(x));

describe('the gradient goes straight to x where q is', () => {
  const cases: [string, Build, number[]][] = [
    ['rounded', rounded, [0, 2, -1, 2]],
    ['rounded on a grid', (x) => x.mul(4).unary('Round').div(4), [0.5, 1.5, -0.5, 2.25]],
    ['rounded down', (x) => x.floor(), [0, 1, -1, 2]],
    ['rounded up', (x) => x.unary('Ceil'), [1, 2, 0, 3]],
    ['the sign', (x) => x.sign(), [1, 1, -1, 1]],
    ['an integer for a while', (x) => x.cast('int32').cast('float32'), [0, 1, 0, 2]],
    ['1 above a threshold', (x) => x.greater(0.5).cast('float32'), [0, 1, 0, 1]],
    ['taken from a codebook', coded, [0, 2, -1, 2]],
    ['multiplied out of a codebook', oneHot, [0, 2, -1, 2]],
    [
      'the sum of what two codebooks give, one for what the other leaves',
      (x) => {
        const first = coded(x, x);
        return first.add(rounded(x.sub(first), x));
      },
      [0, 2, -1, 2],
    ],
  ];
  it.each(cases)('%s', async (_what, quantized, y) => {
    const found = await imported(straight(quantized));
    expect(found.grad).toEqual(STRAIGHT);
    for (const [i, value] of y.entries()) expect(found.y?.[i]).toBeCloseTo(value, 6);
  });

  it('rounded, whatever the order of the sum', async () => {
    expect((await imported((x) => rounded(x, x).sub(x).add(x))).grad).toEqual(STRAIGHT);
  });

  it('computed from what x is a view of', async () => {
    const found = await imported((x) => {
      const turned = x.transpose([1, 0]);
      const q = coded(x, x).transpose([1, 0]);
      return turned.add(q.sub(turned)).transpose([1, 0]);
    });
    expect(found.grad).toEqual(STRAIGHT);
  });

  it('and what x was computed from has its own gradient', async () => {
    expect((await imported((x) => straight(rounded)(x.mul(3), x))).grad).toEqual([6, -9, 15, 21]);
  });
});

describe('the gradient is as written where', () => {
  const cases: [string, Build, number[]][] = [
    ['q is another input', straight((_x, other) => other), NONE],
    ['q is another input, rounded', straight((_x, other) => rounded(other, other)), NONE],
    ['q is a constant', straight((x) => x.constant([1, 2, 3, 4], [2, 2])), NONE],
    ['q has a gradient', straight((x) => x.mul(5)), [10, -15, 25, 35]],
    ['a part of q has a gradient', straight((x) => rounded(x, x).mul(x).mul(0).add(x)), [2, -3, 5, 7]],
    ['another tensor is added', (x) => x.mul(4).add(rounded(x, x).sub(x)), [6, -9, 15, 21]],
    ['the bracket is subtracted', (x) => x.sub(rounded(x, x).sub(x)), [4, -6, 10, 14]],
    ['the bracket is a sum', (x) => x.add(rounded(x, x).add(x)), [4, -6, 10, 14]],
    ['the bracket is turned round', (x) => x.add(x.sub(rounded(x, x))), [4, -6, 10, 14]],
    [
      'the bracket is read elsewhere too',
      (x) => {
        const bracket = rounded(x, x).sub(x);
        return x.add(bracket).add(bracket.mul(2));
      },
      [-4, 6, -10, -14],
    ],
  ];
  it.each(cases)('%s', async (_what, build, grad) => {
    expect((await imported(build)).grad).toEqual(grad);
  });

  it('the bracket is itself asked for', async () => {
    const model = createGraph();
    const x = model.input('x', 'float32', [2, 2]);
    const bracket = rounded(x, x).sub(x);
    const y = x.add(bracket);
    const inputs = new Map([[x.value, { dtype: 'float32', shape: [2, 2] } as const]]);
    const body = await runSteps(specialize(model, inputs, [y.value, bracket.value]));
    const graph = createGraph();
    const image = graph.input('x', 'float32', [2, 2]);
    const wanted = [body.valueOf(y.value), body.valueOf(bracket.value)];
    const tensors = transcribe(body.graph, graph, new Map([[body.valueOf(x.value), image]]), wanted);
    const [grad] = gradient(concat(tensors, 0).sum(), [image]) as [Tensor];
    // 1 through y, as PyTorch has it, and −1 through the bracket that was asked for.
    expect((await runGraph(graph, { grad }, { x: X })).grad).toEqual(NONE);
  });
});

it('a leaky step is no rounding', async () => {
  const leaky: Build = (x) => x.graph.emit('LeakyRelu', [x], { alpha: float(0) })[0] as Tensor;
  expect((await imported(straight(leaky))).grad).toEqual([2, -3, 0, 7]);
});
