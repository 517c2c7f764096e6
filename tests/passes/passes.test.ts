/** Passes keep what a graph computes and make it cheaper. */
import { describe, expect, it, vi } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import {
  type ConstantData,
  checkGraph,
  concat,
  constantInFile,
  constantOf,
  float,
  type Graph,
  int,
  ints,
  type Node,
  numbersOf,
  ONNX_DTYPE,
  Tensor,
} from '../../src/graph/index.js';
import { createGraph, operators } from '../../src/ops/index.js';
import { fold, shareConstants, simplify, specialize, transcribe } from '../../src/passes/index.js';
import { runSteps, Session } from '../../src/runtime/index.js';
import { feedOf, numbersIn, runGraph, withSession } from '../support/run.js';
import { compute, opsOf, ramp, simplified } from '../support/simplified.js';

/** x through an operator that is given its own shape. */
const sameShapeBy = (x: Tensor, op: string): Tensor => x.graph.emit(op, [x, x.graph.ints(x.shape)])[0] as Tensor;

/** x in its own type. */
const sameTypeBy = (x: Tensor): Tensor => x.graph.emit('CastLike', [x, x.graph.scalar(0, x.dtype)])[0] as Tensor;

const filled = (x: Tensor, shape: number[], value: number): Tensor =>
  x.constant(new Array(shape.reduce((a, b) => a * b, 1)).fill(value), shape);
const one = (x: Tensor): Tensor => filled(x, [], 1);
const zero = (x: Tensor): Tensor => filled(x, [], 0);
const integers = (x: Tensor): Tensor => x.mul(10).cast('int32');
const threshold = (x: Tensor, alpha: number): Tensor => x.unary('ThresholdedRelu', alpha);
const pooled = (x: Tensor, outputs: number, index = 0): Tensor =>
  x.graph.emit('MaxPool', [x], { kernel_shape: ints([2]) }, { outputs })[index] as Tensor;
const unsqueezed = (x: Tensor): Tensor => x.graph.emit('Unsqueeze', [x, x.graph.ints([0, 2])])[0] as Tensor;
const gemm = (a: Tensor, b: Tensor, [transA, transB]: readonly [number, number], ...summand: Tensor[]): Tensor =>
  a.graph.emit('Gemm', [a, b, ...summand], { transA: int(transA), transB: int(transB) })[0] as Tensor;
/** What a sum over outer axes becomes. */
const PRODUCT = ['Expand', 'MatMul', 'Reshape'];

const length = (x: Tensor, axis: number): Tensor =>
  x.graph.emit('ReduceL2', [x, x.graph.ints([axis])], { keepdims: int(0) })[0] as Tensor;

describe('simplify', () => {
  it('leaves no Identity but those that name outputs', () => {
    const graph = createGraph();
    const [same] = graph.emit('Identity', [graph.input('x', 'float32', [3])]) as [Tensor];
    graph.output('y', same.neg());
    expect(simplify(graph).nodes.map(({ op }) => op)).toEqual(['Neg', 'Identity']);
  });

  it.each([
    ['shares equal computations', [3], (x: Tensor) => x.exp().add(x.exp()), ['Exp', 'Add']],
    ['drops a Cast to the type that is there', [3], (x: Tensor) => sameTypeBy(x).neg(), ['Neg']],
    [
      'and a Cast that names it',
      [3],
      (x: Tensor) => (x.graph.emit('Cast', [x], { to: int(ONNX_DTYPE.float32) })[0] as Tensor).neg(),
      ['Neg'],
    ],
    [
      'shares operators whose attributes stand in another order',
      [3],
      (x: Tensor) => {
        const [alpha, beta] = [float(0.3), float(0.4)];
        const both = [
          { alpha, beta },
          { beta, alpha },
        ].map((each) => x.graph.emit('HardSigmoid', [x], each)[0]);
        return (both[0] as Tensor).add(both[1] as Tensor);
      },
      ['Add', 'HardSigmoid'],
    ],
    ['of two axes as soon as they are long', [64, 128], (x: Tensor) => x.mean(), ['ReduceMean', 'ReduceMean']],
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
    ['sums over outer axes by a matrix product', [2, 5, 3], (x: Tensor) => x.sum([1]), PRODUCT],
    ['and means', [2, 5, 3, 2], (x: Tensor) => x.mean([0, 1]), ['Expand', 'Reshape', 'MatMul', 'Reshape']],
    ['but keeps sums that reach the last axis', [2, 5, 3], (x: Tensor) => x.sum([1, 2]), ['ReduceSum']],
    ['takes sums axis by axis', [1, 8, 64, 128], (x: Tensor) => x.mean(), ['ReduceMean', 'ReduceMean', 'ReduceMean']],
    [
      'sums all of a row that is reshaped as it was',
      [1, 32],
      (x: Tensor) => x.exp().reshape([4, 8]).sum(),
      ['Exp', 'ReduceSum'],
    ],
    ['but not a part', [4, 8], (x: Tensor) => x.exp().reshape([2, 16]).sum([1]), ['Exp', 'ReduceSum', 'Reshape']],
    [
      'nor long sums, which would be taken at once',
      [1, 2 ** 14],
      (x: Tensor) => x.reshape([2 ** 7, 2 ** 7]).mean(),
      ['ReduceMean', 'ReduceMean', 'Reshape'],
    ],
    ['keeps dimensions of 1 in the sum of a row', [1, 1, 4], (x: Tensor) => x.mean().reshape([1]), ['ReduceMean']],
    ['or all of them', [1, 8], (x: Tensor) => x.sum().reshape([1, 1]), ['ReduceSum']],
    ['but has no more than are there', [8], (x: Tensor) => x.sum().reshape([1, 1]), ['ReduceSum', 'Reshape']],
    ['nor changes those that a sum has', [1, 8], (x: Tensor) => x.sum([1]).reshape([1, 1]), ['ReduceSum', 'Reshape']],
    ['short rows at once', [1, 8, 1], (x: Tensor) => x.sum(), ['ReduceSum']],
    ['and nothing else, however short', [4, 8], (x: Tensor) => x.sum(), ['ReduceSum', 'ReduceSum']],
    ['long ones of one axis at once', [1, 2 ** 14], (x: Tensor) => x.sum(), ['ReduceSum']],
    ['and long ones that leave an axis', [64, 2, 128], (x: Tensor) => x.sum([0, 2]), ['ReduceSum']],
    ['drops what is neutral on the left', [3], (x: Tensor) => one(x).mul(zero(x).add(x)).neg(), ['Neg']],
    ['drops x − 0 and x / 1', [3], (x: Tensor) => x.sub(0).div(1).neg(), ['Neg']],
    ['keeps 0 − x', [3], (x: Tensor) => zero(x).sub(x), ['Sub']],
    ['keeps 1 / x', [3], (x: Tensor) => one(x).div(x.add(2)), ['Add', 'Div']],
    ['keeps x·0, x + 1, x / 2', [3], (x: Tensor) => x.mul(0).add(1).div(2), ['Add', 'Div', 'Mul']],
    [
      'keeps what is neutral and broadcasts',
      [3],
      (x: Tensor) => x.mul(filled(x, [1, 1], 1)).add(filled(x, [1, 1, 1], 0)),
      ['Add', 'Mul'],
    ],
    ['keeps constants that begin with what is neutral', [2], (x: Tensor) => x.mul(x.constant([1, 2])), ['Mul']],
    ['keeps an Expand that changes the shape', [1, 3], (x: Tensor) => x.expand([2, 3]), ['Expand']],
    ['and the rank', [3], (x: Tensor) => x.expand([1, 3]), ['Expand']],
    ['and a Reshape', [2, 3], (x: Tensor) => x.reshape([3, 2]), ['Reshape']],
    ['and a Cast that rounds', [3], (x: Tensor) => x.cast('int32').cast('float32'), ['Cast', 'Cast']],
    [
      'drops a Cast there and back that loses nothing',
      [3],
      (x: Tensor) => x.cast('float64').cast('float32').neg(),
      ['Neg'],
    ],
    [
      'casts once where the first Cast loses nothing',
      [3],
      (x: Tensor) => x.greater(0).cast('int64').cast('float32'),
      ['Cast', 'Greater'],
    ],
    [
      'joins changes of shape',
      [2, 3, 4],
      (x: Tensor) => unsqueezed(x.reshape([6, 4]).reshape([3, 8])).reshape([24]),
      ['Reshape'],
    ],
    [
      'drops those that lead back',
      [2, 3, 4],
      (x: Tensor) => x.reshape([6, 4]).reshape([24]).reshape([2, 3, 4]).neg(),
      ['Neg'],
    ],
    ['joins permutations', [2, 3, 4], (x: Tensor) => x.transpose([1, 2, 0]).transpose([0, 2, 1]), ['Transpose']],
    [
      'drops those that lead back, the default among them',
      [2, 3, 4],
      (x: Tensor) => (x.transpose([2, 1, 0]).graph.emit('Transpose', [x.transpose([2, 1, 0])])[0] as Tensor).neg(),
      ['Neg'],
    ],
    [
      'knows a permutation that moves no elements, also of dimensions of 1',
      [1, 3, 1, 4],
      (x: Tensor) => x.transpose([1, 0, 3, 2]).reshape([12]),
      ['Reshape'],
    ],
    ['keeps one that does', [1, 3, 1, 4], (x: Tensor) => x.transpose([3, 0, 1, 2]), ['Transpose']],
    [
      'reads a matrix as it lies, on either side of a product',
      [1, 1, 3, 5],
      (x: Tensor) => x.matmul(x.transpose([0, 1, 3, 2])).add(x.transpose([0, 1, 3, 2]).matmul(x).mean()),
      ['Add', 'Gemm', 'Gemm', 'ReduceMean', 'ReduceMean', 'Reshape', 'Reshape', 'Reshape'],
    ],
    ['also both', [3, 3], (x: Tensor) => x.transpose([1, 0]).matmul(x.neg().transpose([1, 0])), ['Gemm', 'Neg']],
    [
      'also where a product has turned it back, as in the gradient of a Linear',
      [3, 5],
      (x: Tensor) => gemm(x.neg(), x.transpose([1, 0]), [1, 1]),
      ['Gemm', 'Neg'],
    ],
    [
      'and of both matrices and a summand',
      [3, 3],
      (x: Tensor) => gemm(x.transpose([1, 0]), x.exp().transpose([1, 0]), [1, 0], x),
      ['Exp', 'Gemm'],
    ],
    [
      'but no products of several matrices',
      [2, 3, 5],
      (x: Tensor) => x.matmul(x.transpose([0, 2, 1])),
      ['MatMul', 'Transpose'],
    ],
    [
      'and none that is repeated for others',
      [2, 3, 5],
      (x: Tensor) => x.matmul(x.slice([0], [0], [1]).transpose([0, 2, 1])),
      ['MatMul', 'Slice', 'Transpose'],
    ],
    [
      'nor other permutations',
      [3, 1, 5],
      (x: Tensor) => x.transpose([1, 2, 0]).matmul(x.reshape([1, 3, 5])),
      ['MatMul', 'Reshape', 'Transpose'],
    ],
    [
      'keeps what others read between two',
      [2, 3],
      (x: Tensor) =>
        [x.transpose([1, 0])].map((y) =>
          y
            .exp()
            .transpose([1, 0])
            .add(y.transpose([1, 0])),
        )[0] as Tensor,
      ['Add', 'Exp', 'Transpose', 'Transpose'],
    ],
    [
      'simplifies what a rule has written',
      [4, 2, 3],
      (x: Tensor) => x.reshape([4, 6]).sum([0]).reshape([2, 3]),
      ['Expand', 'MatMul', 'Reshape', 'Reshape'],
    ],
    [
      'keeps an Expand that no other input makes up for',
      [1, 3],
      (x: Tensor) => x.expand([2, 3]).add(x.neg()),
      ['Add', 'Expand', 'Neg'],
    ],
    [
      'expands the result of two once',
      [1, 3],
      (x: Tensor) => x.expand([2, 3]).mul(x.neg().expand([2, 3])),
      ['Expand', 'Mul', 'Neg'],
    ],
    [
      'keeps an Expand in front of other operators',
      [1, 3],
      (x: Tensor) => concat([x.expand([2, 3]), x], 0),
      ['Concat', 'Expand'],
    ],
    [
      'leaves broadcasts of all three inputs of Where to it',
      [2, 3],
      (x: Tensor) => x.greater(0).where(filled(x, [1], 5).expand([2, 3]), filled(x, [], 7).expand([2, 3])),
      ['Greater', 'Where'],
    ],
    ['keeps a − b beside b − a', [3], (x: Tensor) => x.sub(x.exp()).mul(x.exp().sub(x)), ['Exp', 'Mul', 'Sub', 'Sub']],
    [
      'keeps equal operators of other attributes',
      [2, 2],
      (x: Tensor) => x.softmax(0).add(x.softmax(1)),
      ['Add', 'Softmax', 'Softmax'],
    ],
    [
      'also where they differ in infinite numbers',
      [3],
      (x: Tensor) => threshold(x, Number.POSITIVE_INFINITY).sub(threshold(x, Number.NEGATIVE_INFINITY)),
      ['Sub', 'ThresholdedRelu', 'ThresholdedRelu'],
    ],
    [
      'shares the first output of an operator with more',
      [1, 1, 4],
      (x: Tensor) => pooled(x, 2).add(pooled(x, 1)),
      ['Add', 'MaxPool'],
    ],
    [
      'but not a further one with an operator that lacks it',
      [1, 1, 4],
      (x: Tensor) => pooled(x, 1).add(pooled(x, 2, 1).cast('float32')),
      ['Add', 'Cast', 'MaxPool', 'MaxPool'],
    ],
    [
      'sums over outer axes, counted from the end, too',
      [2, 5, 3],
      (x: Tensor) => x.sum([-2], true),
      ['Expand', 'MatMul'],
    ],
    ['sums over axes in any order', [2, 2, 3], (x: Tensor) => x.sum([1, 0]), [...PRODUCT, 'Reshape']],
    ['but keeps sums over axes apart', [2, 3, 2, 3], (x: Tensor) => x.sum([0, 2]), ['ReduceSum']],
    ['and over axes of one element', [2, 1, 3], (x: Tensor) => x.sum([1]), ['ReduceSum']],
    ['and of one element behind them', [2, 5, 1], (x: Tensor) => x.mean([1]), ['ReduceMean']],
    ['and maxima', [2, 5, 3], (x: Tensor) => x.amax([1]), ['ReduceMax']],
    [
      'and sums and means of integers',
      [2, 5, 3],
      (x: Tensor) =>
        integers(x)
          .sum([1])
          .add(integers(x).mean([1]))
          .cast('float32'),
      ['Add', 'Cast', 'Cast', 'Mul', 'ReduceMean', 'ReduceSum'],
    ],
    [
      'also long ones',
      [128, 128],
      (x: Tensor) => integers(x).mean().cast('float32'),
      ['Cast', 'Cast', 'Mul', 'ReduceMean'],
    ],
    [
      'takes lengths over outer axes as products, too',
      [2, 5, 3],
      (x: Tensor) => length(x, 1),
      ['Expand', 'MatMul', 'Mul', 'Reshape', 'Sqrt'],
    ],
    ['but not over the last one', [2, 5, 3], (x: Tensor) => length(x, 2), ['ReduceL2']],
    [
      'expands behind what is done to each element',
      [3, 1],
      (x: Tensor) => x.expand([3, 4]).mul(2).neg(),
      ['Expand', 'Mul', 'Neg'],
    ],
    [
      'expands one element to any shape at once',
      [1],
      (x: Tensor) => x.expand([12]).reshape([3, 4]),
      ['Expand', 'Reshape'],
    ],
    [
      'leaves what is expanded in front of a Reshape to others, too',
      [2, 3, 4, 5],
      (x: Tensor) => x.amax([2, 3]).unsqueeze([2]).expand([2, 3, 20]).reshape([2, 3, 4, 5]).add(x),
      ['Add', 'ReduceMax', 'Reshape'],
    ],
    [
      'expands behind a Reshape of axes that are not, and of new ones',
      [6, 1],
      (x: Tensor) => x.expand([6, 4]).reshape([2, 3, 1, 2, 2]).expand([5, 2, 3, 1, 2, 2]),
      ['Expand', 'Expand', 'Reshape'],
    ],
    ['but not where both become one axis', [2, 1], (x: Tensor) => x.expand([2, 3]).reshape([6]), ['Expand', 'Reshape']],
    [
      'drops the way there and back that detaching has left',
      [3],
      (x: Tensor) => x.add(x.exp().sub(x).detach()),
      ['Exp'],
    ],
    ['but not where it broadcasts', [3, 1], (x: Tensor) => x.add(x.sum([0]).sub(x)), ['Add', 'ReduceSum', 'Sub']],
    ['drops a detached copy, and nothing behind it', [3], (x: Tensor) => x.exp().detach().neg(), ['Exp', 'Neg']],
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
  it('takes long chains in pieces', async () => {
    const graph = createGraph();
    let sum = graph.constant(constantOf('float32', [1], [0]));
    for (let i = 0; i < 450; i += 1) sum = sum.add(2).abs();
    graph.output('y', graph.input('x', 'float32', [1]).add(sum));
    await runSteps(fold(graph));
    expect(opsOf(graph)).toEqual(['Add']);
    expect(await compute(graph, constantOf('float32', [1], [0.5]))).toEqual([900.5]);
  });

  it.each([
    [4096, 0],
    [4097, 1],
  ])('needs no session for %i numbers and fewer that are moved or added: %i', async (count, sessions) => {
    const opened = vi.spyOn(Session, 'runOnce');
    const graph = createGraph();
    const rows = graph
      .scalar(1, 'float32')
      .expand([1, count])
      .reshape([count])
      .slice([0], [0], [count - 1])
      .mul(3);
    graph.output('y', graph.input('x', 'float32', [count - 1]).add(rows));
    await runSteps(fold(graph));
    expect(opened).toHaveBeenCalledTimes(sessions);
    opened.mockRestore();
    expect(opsOf(graph)).toEqual(['Add']);
    expect(new Set(await compute(graph, constantOf('float32', [count - 1], new Array(count - 1).fill(0.5))))).toEqual(
      new Set([3.5]),
    );
  });

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

describe('fold', () => {
  it('computes what is not larger than its inputs, whatever its size, and what several outputs give', async () => {
    const graph = createGraph();
    const weight = graph.constant(ramp(200, 300), 'weight');
    const sizes = graph.ints([100, 200]);
    const [, rest] = graph.emit('Split', [weight.transpose([1, 0]), sizes], { axis: int(0) }, { outputs: 2 });
    graph.output('y', graph.input('x', 'float32', [1, 200]).matmul(rest as Tensor));
    const before = await compute(graph, ramp(1, 200));
    await runSteps(fold(graph));
    expect(opsOf(graph)).toEqual(['MatMul']);
    // Another kernel reads the weight: one that has brought it into its own order.
    for (const [i, value] of (await compute(graph, ramp(1, 200))).entries())
      expect(value / (before[i] as number)).toBeCloseTo(1, 5);
  });

  it('makes no second form of a weight that is read as it is, too', async () => {
    const graph = createGraph();
    const weight = graph.constant(ramp(150, 150), 'weight');
    const turned = weight.flip([0]);
    graph.output(
      'y',
      graph
        .input('x', 'float32', [1, 150])
        .matmul(weight)
        .matmul(turned.transpose([1, 0])),
    );
    const before = await compute(graph, ramp(1, 150));
    await runSteps(fold(graph));
    expect(opsOf(graph)).toEqual(['Slice', 'MatMul', 'Transpose', 'MatMul']);
    expect(await compute(graph, ramp(1, 150))).toEqual(before);
  });

  it('computes operators whose further inputs or outputs are left out', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const [clipped] = graph.emit('Clip', [x.constant([1, 5]), undefined, x.constant([3], [])]) as [Tensor];
    graph.output('y', x.add(clipped));
    const before = await compute(graph, ramp(2));
    await runSteps(fold(graph));
    expect(opsOf(graph)).toEqual(['Add']);
    expect(await compute(graph, ramp(2))).toEqual(before);
  });

  it('may leave an output that is a constant', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    graph.output('y', x.constant([1, 2]).exp());
    graph.output('loss', x.constant([3]).neg());
    await runSteps(fold(graph));
    expect(graph.nodes).toEqual([]);
    const found = await withSession(graph, (session) => session.run({ x: feedOf(ramp(2)) }));
    expect(numbersIn(found.loss)).toEqual([-3]);
    expect(numbersIn(found.y)[1]).toBeCloseTo(Math.E ** 2, 5);
  });

  it('does nothing where nothing is constant', async () => {
    const graph = createGraph();
    graph.output('y', graph.input('x', 'float32', [2]).exp());
    const { nodes } = graph;
    await runSteps(fold(graph));
    expect(graph.nodes).toBe(nodes);
  });

  it('keeps what reads a folded value and something else', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const constant = x.constant([1, 2]).neg();
    graph.output('y', x.add(constant).mul(constant.abs()));
    const before = await compute(graph, ramp(2));
    await runSteps(fold(graph));
    expect(opsOf(graph)).toEqual(['Add', 'Mul']);
    expect(await compute(graph, ramp(2))).toEqual(before);
  });
});

describe('shareConstants', () => {
  const inFile = (folder: string, offset: number): ConstantData =>
    constantInFile({ dtype: 'float32', shape: [9] }, { folder, location: 'weights.bin', offset, state: '' }, () => {
      throw new Error('its bytes are not asked for');
    });
  const other = { ...ramp(9), bytes: Uint8Array.from(ramp(9).bytes, (byte, i) => (i === 35 ? byte ^ 1 : byte)) };

  it.each<[string, ConstantData, ConstantData, boolean]>([
    ['equal bytes', ramp(9), ramp(9), true],
    ['a difference in the last byte', ramp(9), other, false],
    ['another shape', ramp(9), ramp(3, 3), false],
    [
      'another type',
      constantOf('int32', [9], new Array(9).fill(0)),
      constantOf('uint32', [9], new Array(9).fill(0)),
      false,
    ],
    ['the same part of a file', inFile('/a', 64), inFile('/a', 64), true],
    ['another part of it', inFile('/a', 64), inFile('/a', 128), false],
    ['another file', inFile('/a', 64), inFile('/b', 64), false],
  ])('%s', (_, a, b, one) => {
    const graph = createGraph();
    const [first, second] = [graph.constant(a, 'first'), graph.constant(b, 'second')];
    graph.output('y', first.cast('float64').add(first.cast('float64')));
    graph.output('z', second.cast('float64'));
    shareConstants(graph);
    const read = graph.nodes.filter(({ op }) => op === 'Cast').map(({ inputs }) => inputs[0]?.name);
    expect(read).toEqual(['first', 'first', one ? 'first' : 'second']);
  });

  it('leaves outputs their names', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [9]);
    graph.output('y', x.constant(numbersOf(ramp(9))).exp());
    graph.output('z', x.constant(numbersOf(ramp(9))).exp());
    await runSteps(fold(graph));
    shareConstants(graph);
    const found = await withSession(graph, (session) => session.run({ x: feedOf(ramp(9)) }));
    expect(numbersIn(found.y)).toEqual(numbersIn(found.z));
  });
});

describe('transcribe', () => {
  it('keeps what is detached detached', async () => {
    const source = createGraph();
    const inner = source.input('x', 'float32', [2]);
    const product = inner.mul(inner.detach());
    const target = createGraph();
    const x = target.input('x', 'float32', [2]);
    const [copy] = transcribe(source, target, new Map([[inner.value, x]]), [product.value]) as [Tensor];
    const [grad] = gradient(copy.sum(), [x]) as [Tensor];
    const found = await runGraph(target, { grad, copy }, { x: constantOf('float32', [2], [3, -4]) });
    expect(found).toEqual({ grad: [3, -4], copy: [9, 16] });
  });

  it('stops at values that are bound, shares constants, and copies domain, module path, attributes and unknown types', () => {
    const source = createGraph();
    const x = source.input('x', 'float32', [2]);
    const middle = x.exp();
    source.scope = 'a.b';
    const weight = source.constant(ramp(2), 'weight');
    const types = [
      { dtype: 'float32', shape: [4] },
      { dtype: 'int64', shape: [] },
    ] as const;
    const options = { types, domain: 'custom', outputs: 2 };
    const outputs = source.emit('Odd', [middle, undefined, weight], { alpha: float(2) }, options);
    const target = createGraph();
    const bound = target.input('m', 'float32', [2]);
    const wanted = [...outputs, middle, weight].map(({ value }) => value);
    const [first, second, same, constant] = transcribe(source, target, new Map([[middle.value, bound]]), wanted);
    expect(target.nodes).toHaveLength(1);
    expect(target.nodes[0]).toMatchObject({
      op: 'Odd',
      domain: 'custom',
      modulePath: 'a.b',
      attributes: { alpha: float(2) },
    });
    expect(target.nodes[0]?.inputs).toEqual([bound.value, undefined, weight.value]);
    expect([first, second].map((tensor) => [tensor?.dtype, tensor?.shape])).toEqual([
      ['float32', [4]],
      ['int64', []],
    ]);
    expect(same).toBe(bound);
    expect(constant?.value).toBe(weight.value);
  });

  it('takes what is bound in place of what a needed node computes', () => {
    const source = createGraph();
    const x = source.input('x', 'float32', [4]);
    const parts = source.emit('Split', [x], { num_outputs: int(2) }, { outputs: 2 }) as [Tensor, Tensor];
    const target = createGraph();
    const [image, bound] = [target.input('x', 'float32', [4]), target.input('m', 'float32', [2])];
    const bindings = new Map([
      [x.value, image],
      [parts[0].value, bound],
    ]);
    const copies = transcribe(
      source,
      target,
      bindings,
      parts.map(({ value }) => value),
    );
    expect(copies[0]).toBe(bound);
    expect(copies[1]?.value.producer?.op).toBe('Split');
  });

  it('says what is neither computed nor bound', () => {
    const source = createGraph();
    const y = source.input('x', 'float32', [2]).exp();
    expect(() => transcribe(source, createGraph(), new Map(), [y.value])).toThrow(/'x' is neither computed/);
  });
});

describe('specialize', () => {
  it('turns what depends on shapes alone into constants', async () => {
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
    await expect(runSteps(steps)).rejects.toMatchObject({
      name: 'GlobalPercError',
      code: 'invalid-argument',
      message: expect.stringMatching(
        /^the model does not run on an input of shape \[2,5\]: MatMul '\S+' with inputs float32\[2,5\], float32\[3,2\]: inner dimensions differ/,
      ),
    });
  });

  it('also where ONNX Runtime says so, of an operator that has no entry', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [3, 3]);
    const [y] = graph.emit('Det', [x], {}, { types: [{ dtype: 'float32', shape: [] }] }) as [Tensor];
    const steps = specialize(graph, new Map([[x.value, { dtype: 'float32', shape: [2, 3] }]]), [y.value]);
    await expect(runSteps(steps)).rejects.toMatchObject({
      name: 'GlobalPercError',
      message: expect.stringMatching(/^the model does not run on an input of shape \[2,3\]: (\S+ )*\S*Det(\S* )*\S+$/),
      cause: expect.objectContaining({ code: 'runtime' }),
    });
  });

  it('does not blame the model for an option', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [3, 3]);
    const types = new Map([[x.value, { dtype: 'float32', shape: [3, 3] } as const]]);
    const [y] = graph.emit('Det', [x], {}, { types: [{ dtype: 'float32', shape: [] }] }) as [Tensor];
    await expect(
      runSteps(specialize(graph, types, [y.value], { logSeverityLevel: 9 } as object)),
    ).rejects.toMatchObject({ code: 'invalid-option', message: expect.stringMatching(/^session: logSeverityLevel/) });
  });

  const type = (...shape: number[]) => ({ dtype: 'float32', shape }) as const;
  const specialized = (graph: Graph, x: Tensor, y: Tensor, variables: Tensor[] = [], shape = [2]) =>
    runSteps(
      specialize(
        graph,
        new Map([[x.value, type(...shape)]]),
        [y.value],
        {},
        variables.map(({ value }) => value),
      ),
    );

  it.each([
    ['RandomUniform', []],
    ['RandomNormal', []],
    ['RandomUniformLike', ['constant']],
    ['Bernoulli', ['constant']],
  ])('leaves %s to every run, though it depends on no input', async (op, inputs) => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [40]);
    const constant = graph.constant(constantOf('float32', [40], new Array(40).fill(0.5)));
    const attributes = inputs.length > 0 ? {} : { shape: ints([40]) };
    const [drawn] = graph.emit(
      op,
      inputs.map(() => constant),
      attributes,
    ) as [Tensor];
    const body = await specialized(graph, x, x.add(drawn.mul(3)), [], [40]);
    expect(opsOf(body.graph)).toEqual([op, 'Mul', 'Add']);
    body.graph.output('y', new Tensor(body.graph, body.valueOf(graph.nodes.at(-1)?.outputs[0] as never)));
    const run = () => compute(body.graph, constantOf('float32', [40], new Array(40).fill(0)));
    await runSteps(fold(body.graph));
    expect(opsOf(body.graph)).toEqual([op, 'Mul', 'Add']);
    expect(new Set(await run()).size).toBeGreaterThan(1);
  });

  it('folds what weights give, unless they may change', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const weight = graph.constant(ramp(2), 'weight');
    const y = x.mul(weight.exp());
    expect(opsOf((await specialized(graph, x, y)).graph)).toEqual(['Mul']);
    const body = await specialized(graph, x, y, [weight]);
    expect(opsOf(body.graph)).toEqual(['Exp', 'Mul']);
    expect(body.valueOf(weight.value)).toMatchObject({ name: 'weight', shape: [2] });
    expect(body.valueOf(x.value)).toBe(body.graph.inputs[0]);
  });

  it('measures the types of operators that have no entry', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [1]);
    const types = [{ dtype: 'float32', shape: [9] }] as const;
    const [y] = graph.emit('Det', [x], {}, { types }) as [Tensor];
    const body = await specialized(graph, x, y, [], [5, 3, 3]);
    expect(body.valueOf(y.value)).toMatchObject({ dtype: 'float32', shape: [5] });
  });

  it('also where those are no floats', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const types = [{ dtype: 'float32', shape: [2] }] as const;
    expect(operators.has('BitwiseNot')).toBe(false);
    const [y] = graph.emit('BitwiseNot', [x.cast('int32')], {}, { types }) as [Tensor];
    delete y.value.dtype;
    delete y.value.shape;
    const body = await specialized(graph, x, y);
    expect(body.valueOf(y.value)).toMatchObject({ dtype: 'int32', shape: [2] });
  });

  it('takes operators some of whose outputs are left out', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const [y] = graph.emit('LayerNormalization', [x, x.constant([1, 1])], {}, { outputs: 2 }) as [Tensor];
    (y.value.producer as Node).outputs[1] = undefined;
    const body = await specialized(graph, x, y);
    expect(body.valueOf(y.value)).toMatchObject({ dtype: 'float32', shape: [2] });
  });

  it('leaves the model as it was read, for the next shape', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const y = x.exp();
    const nodes = [...graph.nodes];
    const bodies = [await specialized(graph, x, y), await specialized(graph, x, y, [], [7, 5])];
    expect(bodies.map((body) => body.valueOf(y.value).shape)).toEqual([[2], [7, 5]]);
    expect(graph.nodes).toEqual(nodes);
    expect(y.value.producer).toBe(nodes[0]);
    expect(y.shape).toEqual([2]);
    checkGraph(graph);
  });
});
