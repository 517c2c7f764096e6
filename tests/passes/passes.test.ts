/** Passes keep what a graph computes and make it cheaper. */
import { describe, expect, it } from 'vitest';
import { constantOf, type Graph, type Tensor } from '../../src/graph/index.js';
import { createGraph, requiredOpset } from '../../src/ops/index.js';
import { fold, simplify, specialize } from '../../src/passes/index.js';
import { runSteps, Session } from '../../src/runtime/index.js';
import { feedOf, numbersIn } from '../support/run.js';

const opsOf = (graph: Graph): string[] => graph.nodes.map((node) => node.op).filter((op) => op !== 'Identity');
const ramp = (...shape: number[]) =>
  constantOf(
    'float32',
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)),
  );

async function compute(graph: Graph, data: ReturnType<typeof ramp>): Promise<number[]> {
  const session = await runSteps(Session.open(graph, requiredOpset(graph)));
  const { y } = await runSteps(session.run({ x: feedOf(data) }));
  await runSteps(session.dispose());
  return numbersIn(y);
}

/** Builds y from x, simplifies, and checks that the numbers stay. */
async function simplified(shape: number[], build: (x: Tensor) => Tensor): Promise<string[]> {
  const graph = createGraph();
  graph.output('y', build(graph.input('x', 'float32', shape)));
  const simple = simplify(graph);
  const [before, after] = [await compute(graph, ramp(...shape)), await compute(simple, ramp(...shape))];
  expect(after).toHaveLength(before.length);
  for (const [i, value] of after.entries()) expect(value).toBeCloseTo(before[i] as number, 5);
  return opsOf(simple);
}

/** x through an operator that is given its own shape. */
const sameShapeBy = (x: Tensor, op: string): Tensor => x.graph.emit(op, [x, x.graph.ints(x.shape)])[0] as Tensor;

/** x in its own type. */
const sameTypeBy = (x: Tensor): Tensor => x.graph.emit('CastLike', [x, x.graph.scalar(0, x.dtype)])[0] as Tensor;

describe('simplify', () => {
  it.each([
    ['shares equal computations', [3], (x: Tensor) => x.exp().add(x.exp()), ['Exp', 'Add']],
    ['drops a Cast to the type that is there', [3], (x: Tensor) => sameTypeBy(x).neg(), ['Neg']],
    ['drops ·1, +0 and Identity', [3], (x: Tensor) => x.mul(1).add(0).detach().neg(), ['Neg']],
    [
      'drops shapes that are there already',
      [2, 3],
      (x: Tensor) => ['Reshape', 'Expand'].reduce(sameShapeBy, x).neg(),
      ['Neg'],
    ],
    ['leaves out what no output needs', [3], (x: Tensor) => [x.exp(), x.neg()][1] as Tensor, ['Neg']],
    [
      'leaves a broadcast to its consumer',
      [2, 3],
      (x: Tensor) => x.graph.scalar(2, 'float32').expand([2, 3]).mul(x),
      ['Mul'],
    ],
    ['sums over outer axes by a matrix product', [2, 5, 3], (x: Tensor) => x.sum([1]), ['Expand', 'MatMul', 'Reshape']],
    ['and means', [2, 5, 3, 2], (x: Tensor) => x.mean([0, 1]), ['Expand', 'Reshape', 'MatMul', 'Reshape']],
    ['but keeps sums that reach the last axis', [2, 5, 3], (x: Tensor) => x.sum([1, 2]), ['ReduceSum']],
    [
      'takes long sums axis by axis',
      [1, 8, 64, 128],
      (x: Tensor) => x.mean(),
      ['Reshape', 'ReduceMean', 'ReduceMean', 'ReduceMean'],
    ],
    ['short ones at once', [4, 8], (x: Tensor) => x.sum(), ['ReduceSum']],
  ])('%s', async (_label, shape, build, expected) => {
    expect((await simplified(shape, build)).toSorted()).toEqual(expected.toSorted());
  });

  it('loses nothing of long sums', async () => {
    const graph = createGraph();
    graph.output('y', graph.input('x', 'float32', [64, 128, 256]).mean());
    const x = constantOf('float32', [64, 128, 256], new Float32Array(2 ** 21).fill(0.1));
    const [mean] = await compute(simplify(graph), x);
    expect(Math.abs((mean as number) / Math.fround(0.1) - 1)).toBeLessThan(1e-6);
  });

  it.each(['RandomUniform', 'RandomNormal'])('draws %s numbers as often as they are asked for', (op) => {
    const graph = createGraph();
    const draw = () => graph.emit(op, [], { shape: { kind: 'ints', value: [2] } })[0] as Tensor;
    graph.output('y', draw().sub(draw()));
    expect(opsOf(simplify(graph))).toEqual([op, op, 'Sub']);
  });
});

describe('fold', () => {
  it('replaces what depends on constants alone, and nothing random', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [3]);
    const constant = graph.constant(ramp(3)).exp().mul(2);
    const random = graph.emit('RandomUniform', [], { shape: { kind: 'ints', value: [3] } })[0] as Tensor;
    graph.output('y', x.add(constant).add(random.mul(0)));
    const before = await compute(graph, ramp(3));
    await runSteps(fold(graph));
    expect(opsOf(graph).toSorted()).toEqual(['Add', 'Add', 'Mul', 'RandomUniform']);
    expect(await compute(graph, ramp(3))).toEqual(before);
  });

  it('does not inflate the file', async () => {
    const graph = createGraph();
    graph.output('y', graph.input('x', 'float32', [300, 300]).add(graph.scalar(1, 'float32').expand([300, 300])));
    await runSteps(fold(graph));
    expect(opsOf(graph)).toEqual(['Expand', 'Add']);
  });
});

describe('specialize', () => {
  it('turns shape arithmetic into constants, by running the model', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [1, 1]);
    const shape = graph.emit('Shape', [x], {}, { types: [{ dtype: 'int64', shape: [2] }] })[0] as Tensor;
    const rows = graph.emit(
      'ConstantOfShape',
      [shape],
      {},
      { types: [{ dtype: 'float32', shape: [1, 1] }] },
    )[0] as Tensor;
    const y = x.add(rows.exp());
    const specialized = await runSteps(
      specialize(graph, new Map([[x.value, { dtype: 'float32', shape: [2, 4] }]]), [y.value]),
    );
    expect(opsOf(specialized.graph)).toEqual(['Add']);
    expect(specialized.valueOf(y.value).shape).toEqual([2, 4]);
  });

  it('says when the model does not run on the shape', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2, 3]);
    const y = x.matmul(graph.constant(ramp(3, 2)));
    const steps = specialize(graph, new Map([[x.value, { dtype: 'float32', shape: [2, 5] }]]), [y.value]);
    await expect(runSteps(steps)).rejects.toThrow(/the model does not run on an input of shape \[2,5\]/);
  });
});
