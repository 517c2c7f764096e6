/** Masks become factors where what they mask is known to be finite, and only there. */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import type { Tensor } from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import { simplify } from '../../src/passes/index.js';
import { compute, opsOf, ramp, simplified } from '../support/simplified.js';

const SHAPE = [128, 129];

const by = (x: Tensor, op: string): Tensor => x.graph.emit(op, [x])[0] as Tensor;

/** max(n, ε) as cosines have it, and n with 1 in the place of 0. */
const bounded = (n: Tensor): Tensor => n.maximum(1e-8);
const guarded = (n: Tensor): Tensor => n.equal(0).where(1, n);
const squares = (x: Tensor): Tensor => x.square().sum([1], true);

const finite: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  'sums and products': (x) => x.mul(3).sub(x.exp()).add(1).neg(),
  'a quotient by what is bounded': (x) => x.div(bounded(squares(x).sqrt())),
  'one by what is guarded': (x) => x.div(guarded(x)),
  'one by a constant': (x) => x.div(3),
  'a root of squares': (x) => squares(x).sqrt().add(x),
  'a root of a mean of squares and a number': (x) =>
    x.square().mean([0], true).add(1e-5).sqrt().reciprocal().pow(3).mul(x),
  'a quotient by such a root': (x) => x.div(x.square().mean([1], true).add(1e-5).sqrt()),
  'a matrix product': (x) => x.matmul(x.transpose([1, 0])).matmul(x),
};

const perhaps: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  'a quotient': (x) => x.div(x),
  'a quotient by a norm': (x) => x.div(squares(x).sqrt()),
  'a quotient by what is guarded at another number': (x) => x.div(x.equal(1).where(1, x)),
  'a quotient by what another value guards': (x) => x.div(x.neg().equal(0).where(1, x)),
  'a quotient by what is guarded with 0': (x) => x.div(x.equal(0).where(0, x)),
  'a root': (x) => x.sqrt(),
  'a root of a difference': (x) => x.square().sub(x.abs()).sqrt(),
  'a logarithm': (x) => x.abs().log(),
  'a reciprocal': (x) => x.relu().reciprocal(),
  'a power below 0': (x) => x.pow(-1),
  'a power that is no whole number': (x) => x.pow(0.5),
  'an infinite number': (x) => x.add(Number.POSITIVE_INFINITY),
  'an operator that nothing is known of': (x) => by(x, 'Acos'),
};

const masked = (x: Tensor, value: Tensor): Tensor => x.greater(0).where(value, 0);

describe('a mask is a factor', () => {
  it.each(Object.entries(finite))('of %s', async (_, build) => {
    const ops = await simplified(SHAPE, (x) => masked(x, build(x)));
    expect(ops.slice(-2)).toEqual(['Cast', 'Mul']);
  });
});

describe('a mask stays one', () => {
  it.each(Object.entries(perhaps))('of %s', (_, build) => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', SHAPE);
    graph.output('y', masked(x, build(x)));
    expect(opsOf(simplify(graph)).at(-1)).toBe('Where');
  });

  it.each([
    ['of few elements', [3, 3], (x: Tensor) => masked(x, x)],
    ['that puts another number there', SHAPE, (x: Tensor) => x.greater(0).where(x, 1)],
    ['of a row', SHAPE, (x: Tensor) => x.slice([0], [0], [1]).greater(0).where(x, 0)],
    ['of whole numbers', SHAPE, (x: Tensor) => masked(x, x.cast('int32')).cast('float32')],
  ])('%s', async (_, shape, build) => {
    expect(await simplified(shape, build)).toContain('Where');
  });
});

it('lets no gradient of a root through a ReLU that is 0', async () => {
  const graph = createGraph();
  const x = graph.input('x', 'float32', SHAPE);
  graph.output('y', gradient(x.relu().sum([1]).sqrt().sum(), [x])[0] as Tensor);
  const data = { ...ramp(...SHAPE), bytes: new Uint8Array(4 * 128 * 129) };
  expect(new Set(await compute(simplify(graph), data))).toEqual(new Set([0]));
});
