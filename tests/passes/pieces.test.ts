/** What is cut out of tensors and put together is copied once. */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { concat, type Graph, type Tensor } from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import { fuseAttention, simplify, spellAttention } from '../../src/passes/index.js';
import { opsOf, simplified } from '../support/simplified.js';

type Build = (x: Tensor) => Tensor;

const head = (x: Tensor, axis: number, i: number): Tensor => x.slice([axis], [i], [i + 1]);
const halves = (x: Tensor, axis = 1): Tensor => concat([x.neg(), x.abs()], axis);
const padded = (x: Tensor, before: number, after: number, value = 0): Tensor =>
  x.pad([0, before, 0], [0, after, 0], value);

const cases: Readonly<Record<string, readonly [shape: number[], build: Build, ops: string[]]>> = {
  'all of a tensor': [[2, 4], (x) => x.slice([1], [0], [9]).neg(), ['Neg']],
  'a part of a part': [[4, 6], (x) => x.slice([0, 1], [1, 2], [4, 6]).slice([1], [-2], [9]), ['Slice']],
  'parts of parts along other axes': [[4, 6], (x) => x.slice([0], [1], [3]).slice([1], [1], [5]), ['Slice']],
  'a part with a step, of a part': [[8], (x) => x.slice([0], [1], [8]).slice([0], [0], [7], [2]), ['Slice', 'Slice']],
  'a part of a part that is turned round': [[8], (x) => x.flip([0]).slice([0], [0], [3]), ['Slice', 'Slice']],
  'a part behind axes of 1': [
    [3, 1, 4],
    (x) => x.slice([0], [1], [3]).reshape([1, 2, 4]).slice([2], [0], [2]),
    ['Slice', 'Reshape'],
  ],
  'a part of other axes': [[6, 4], (x) => x.reshape([3, 8]).slice([1], [0], [2]), ['Reshape', 'Slice']],
  'one of the parts put together': [[2, 3], (x) => halves(x).slice([1], [3], [6]), ['Abs']],
  'some of one of them': [[2, 3], (x) => halves(x).slice([0, 1], [1, 1], [2, 3]), ['Neg', 'Slice']],
  'some of two of them': [[2, 3], (x) => halves(x).slice([1], [1], [4]), ['Neg', 'Abs', 'Concat', 'Slice']],
  'a head of what is turned': [
    [1, 5, 3, 2, 4],
    (x) => head(head(x.transpose([2, 0, 3, 1, 4]), 0, 1).reshape([1, 2, 5, 4]), 1, 1),
    ['Slice', 'Reshape'],
  ],
  'a head of it, as a matrix that a product reads as it lies': [
    [5, 2, 4],
    (x) => head(x.transpose([1, 0, 2]), 0, 0).matmul(head(x.transpose([1, 2, 0]), 0, 1)),
    ['Slice', 'Reshape', 'Slice', 'Reshape', 'Gemm', 'Reshape'],
  ],
  'what has to be turned still': [
    [3, 5, 4],
    (x) => x.transpose([1, 0, 2]).slice([1], [0], [2]),
    ['Transpose', 'Slice'],
  ],
  'heads side by side': [
    [1, 1, 5, 4],
    (x) => halves(x).transpose([0, 2, 1, 3]),
    ['Neg', 'Abs', 'Reshape', 'Reshape', 'Concat'],
  ],
  'heads that must be turned': [
    [1, 2, 5, 4],
    (x) => halves(x).transpose([0, 2, 1, 3]),
    ['Neg', 'Abs', 'Concat', 'Transpose'],
  ],
  'parts put together of such': [[2, 3], (x) => concat([halves(x), x], 1), ['Neg', 'Abs', 'Concat']],
  'put together along two axes': [
    [2, 1, 1, 3],
    (x) => concat([halves(x, 2), halves(x.exp(), 2)], 1),
    ['Neg', 'Abs', 'Exp', 'Neg', 'Abs', 'Concat', 'Reshape'],
  ],
  'rows of columns': [
    [1, 3],
    (x) => concat([halves(x), halves(x.exp())], 0),
    ['Neg', 'Abs', 'Exp', 'Neg', 'Abs', 'Concat', 'Reshape'],
  ],
  'rows of longer columns': [
    [2, 3],
    (x) => concat([halves(x), halves(x.exp())], 0),
    ['Neg', 'Abs', 'Concat', 'Exp', 'Neg', 'Abs', 'Concat', 'Concat'],
  ],
  'the sum of parts between zeros': [
    [2, 3, 4],
    (x) =>
      padded(x.neg(), 3, 3)
        .add(padded(x, 6, 0))
        .add(padded(x.exp(), 0, 6)),
    ['Exp', 'Neg', 'Concat'],
  ],
  'of parts that leave a gap': [
    [2, 3, 4],
    (x) => padded(x.neg(), 0, 4).add(padded(x, 4, 0)),
    ['Neg', 'Pad', 'Pad', 'Add'],
  ],
  'of parts that overlap': [[2, 3, 4], (x) => padded(x.neg(), 0, 2).add(padded(x, 2, 0)), ['Neg', 'Pad', 'Pad', 'Add']],
  'of parts between ones': [
    [2, 3, 4],
    (x) => padded(x.neg(), 0, 3, 1).add(padded(x, 3, 0, 1)),
    ['Neg', 'Pad', 'Pad', 'Add'],
  ],
  'of parts between copies of their edges': [
    [2, 3, 4],
    (x) => {
      const edge = (before: number, after: number): Tensor =>
        x.graph.emit('Pad', [x, x.graph.ints([0, before, 0, 0, after, 0])], {
          mode: { kind: 'string', value: 'edge' },
        })[0] as Tensor;
      return edge(3, 0).add(edge(0, 3));
    },
    ['Pad', 'Pad', 'Add'],
  ],
};

describe('what simplification makes of', () => {
  it.each(Object.entries(cases))('%s', async (_, [shape, build, ops]) => {
    expect((await simplified(shape, build)).toSorted()).toEqual(ops.toSorted());
  });
});

it('moves what attention reads and gives once: nothing is turned or filled with zeros', () => {
  const [tokens, heads, width] = [7, 2, 4];
  const graph = createGraph();
  const x = graph.input('x', 'float32', [1, tokens, 3 * heads * width]);
  const all = x.reshape([1, tokens, 3, heads, width]).transpose([2, 0, 3, 1, 4]);
  const [q, k, v] = [0, 1, 2].map((i) => head(all, 0, i).squeeze([0])) as [Tensor, Tensor, Tensor];
  const weights = q.mul(0.5).matmul(k.swapAxes(-1, -2)).softmax(-1);
  const y = weights
    .matmul(v)
    .transpose([0, 2, 1, 3])
    .reshape([1, tokens, heads * width]);
  graph.output('y', y);
  const loss = y.mul(graph.input('w', 'float32', y.shape)).sum();
  fuseAttention(graph);
  graph.output('dx', gradient(loss, [x])[0] as Tensor);
  const oneHead = { kept: 0, heads: 1, queries: 4 * tokens * tokens };
  const after: Graph = simplify(spellAttention(graph, oneHead));
  const counted = (op: string): number => opsOf(after).filter((other) => other === op).length;
  expect(['Transpose', 'Pad'].map(counted)).toEqual([0, 0]);
  // The output, ∂x, and the two factors of dP − D of each head.
  expect(counted('Concat')).toBe(2 + 2 * heads);
});
