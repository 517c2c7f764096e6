/** Every operation of the symbolic tensor, as ONNX Runtime computes it, against the numbers by hand. */
import { describe, expect, it } from 'vitest';
import { concat, constantOf, type DataType, GlobalPercError, int, type Tensor } from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import { runGraph } from '../support/run.js';

/** x is [[1, −2, 3], [0.5, 4, −6]], v is [2, 3, 5], m is [[1, 0], [0, 2], [1, 1]]. */
const DATA = {
  x: constantOf('float32', [2, 3], [1, -2, 3, 0.5, 4, -6]),
  v: constantOf('float32', [3], [2, 3, 5]),
  m: constantOf('float32', [3, 2], [1, 0, 0, 2, 1, 1]),
};
type Inputs = Readonly<Record<keyof typeof DATA, Tensor>>;

function inputs(): Inputs {
  const graph = createGraph();
  const [x, v, m] = Object.entries(DATA).map(([name, { dtype, shape }]) => graph.input(name, dtype, shape));
  return { x, v, m } as Inputs;
}

const each = (f: (value: number) => number): number[] => [1, -2, 3, 0.5, 4, -6].map(f);
const elements = { shape: [2, 3], dtype: 'float32' as DataType };
const bools = { shape: [2, 3], dtype: 'bool' as DataType };
const float = (...shape: number[]) => ({ shape, dtype: 'float32' as DataType });

type Case = [string, (inputs: Inputs) => Tensor, { shape: number[]; dtype: DataType }, number[]];
const CASES: Case[] = [
  ['add', ({ x, v }) => x.add(v), elements, [3, 1, 8, 2.5, 7, -1]],
  ['add a number', ({ x }) => x.add(2), elements, each((a) => a + 2)],
  ['sub', ({ x, v }) => x.sub(v), elements, [-1, -5, -2, -1.5, 1, -11]],
  ['subtractFrom', ({ x }) => x.subtractFrom(10), elements, each((a) => 10 - a)],
  ['mul', ({ x, v }) => x.mul(v), elements, [2, -6, 15, 1, 12, -30]],
  ['div', ({ x, v }) => x.div(v), elements, [1 / 2, -2 / 3, 3 / 5, 1 / 4, 4 / 3, -6 / 5]],
  ['pow', ({ x }) => x.pow(3), elements, each((a) => a ** 3)],
  ['square', ({ x }) => x.square(), elements, each((a) => a * a)],
  ['neg', ({ x }) => x.neg(), elements, each((a) => -a)],
  ['abs', ({ x }) => x.abs(), elements, each(Math.abs)],
  ['sign', ({ x }) => x.sign(), elements, each(Math.sign)],
  ['exp', ({ x }) => x.exp(), elements, each(Math.exp)],
  ['log', ({ x }) => x.abs().log(), elements, each((a) => Math.log(Math.abs(a)))],
  ['sqrt', ({ x }) => x.abs().sqrt(), elements, each((a) => Math.sqrt(Math.abs(a)))],
  ['reciprocal', ({ x }) => x.reciprocal(), elements, each((a) => 1 / a)],
  ['sin', ({ x }) => x.sin(), elements, each(Math.sin)],
  ['cos', ({ x }) => x.cos(), elements, each(Math.cos)],
  ['tanh', ({ x }) => x.tanh(), elements, each(Math.tanh)],
  ['erf', ({ x }) => x.erf(), elements, [0.842701, -0.995322, 0.999978, 0.5205, 1, -1]],
  ['sigmoid', ({ x }) => x.sigmoid(), elements, each((a) => 1 / (1 + Math.exp(-a)))],
  ['relu', ({ x }) => x.relu(), elements, each((a) => Math.max(a, 0))],
  ['floor', ({ x }) => x.mul(0.75).floor(), elements, each((a) => Math.floor(a * 0.75))],
  ['unary', ({ x }) => x.unary('LeakyRelu', 0.5), elements, each((a) => (a > 0 ? a : a / 2))],
  ['unary without alpha', ({ x }) => x.unary('Ceil'), elements, each(Math.ceil)],
  ['maximum', ({ x, v }) => x.maximum(v), elements, [2, 3, 5, 2, 4, 5]],
  ['minimum of a number', ({ x }) => x.minimum(1), elements, each((a) => Math.min(a, 1))],
  ['equal', ({ x }) => x.equal(3), bools, each((a) => Number(a === 3))],
  ['greater', ({ x }) => x.greater(1), bools, each((a) => Number(a > 1))],
  ['greaterOrEqual', ({ x }) => x.greaterOrEqual(1), bools, each((a) => Number(a >= 1))],
  ['less', ({ x }) => x.less(1), bools, each((a) => Number(a < 1))],
  ['lessOrEqual', ({ x }) => x.lessOrEqual(1), bools, each((a) => Number(a <= 1))],
  ['logicalNot', ({ x }) => x.less(1).logicalNot(), bools, each((a) => Number(a >= 1))],
  ['logicalAnd', ({ x }) => x.less(1).logicalAnd(x.greater(-3)), bools, each((a) => Number(a < 1 && a > -3))],
  ['logicalOr', ({ x }) => x.less(0).logicalOr(x.greater(3)), bools, each((a) => Number(a < 0 || a > 3))],
  ['where', ({ x, v }) => x.greater(0).where(v, x), elements, [2, -2, 5, 2, 3, -6]],
  ['where with a number first', ({ x }) => x.greater(0).where(7, x), elements, each((a) => (a > 0 ? 7 : a))],
  ['where with a number behind', ({ x }) => x.greater(0).where(x, 7), elements, each((a) => (a > 0 ? a : 7))],
  ['cast', ({ x }) => x.cast('int64'), { shape: [2, 3], dtype: 'int64' }, each(Math.trunc)],
  ['matmul', ({ x, m }) => x.matmul(m), float(2, 2), [4, -1, -5.5, 2]],
  ['transpose', ({ x }) => x.transpose([1, 0]), float(3, 2), [1, 0.5, -2, 4, 3, -6]],
  ['swapAxes', ({ x }) => x.swapAxes(0, -1), float(3, 2), [1, 0.5, -2, 4, 3, -6]],
  ['swapAxes of three', ({ x }) => x.reshape([1, 2, 3]).swapAxes(0, 1), float(2, 1, 3), each((a) => a)],
  ['reshape', ({ x }) => x.reshape([3, 2]), float(3, 2), each((a) => a)],
  ['reshape with −1', ({ x }) => x.reshape([3, -1, 1]), float(3, 2, 1), each((a) => a)],
  ['squeeze', ({ x }) => x.reshape([1, 2, 1, 3]).squeeze([0, -2]), elements, each((a) => a)],
  ['unsqueeze', ({ x }) => x.unsqueeze([0, -1]), float(1, 2, 3, 1), each((a) => a)],
  ['expand', ({ v }) => v.expand([2, 3]), elements, [2, 3, 5, 2, 3, 5]],
  ['slice', ({ x }) => x.slice([1], [1], [3]), float(2, 2), [-2, 3, 4, -6]],
  ['slice with steps', ({ x }) => x.slice([1, 0], [0, 1], [3, 2], [2, 1]), float(1, 2), [0.5, -6]],
  ['flip', ({ x }) => x.flip([1]), elements, [3, -2, 1, -6, 4, 0.5]],
  ['flip of both', ({ x }) => x.flip([0, -1]), elements, [-6, 4, 0.5, 3, -2, 1]],
  ['flip of one element', ({ x }) => x.reshape([1, 6]).flip([0]), float(1, 6), each((a) => a)],
  ['pad', ({ v }) => v.pad([1], [2], 9), float(6), [9, 2, 3, 5, 9, 9]],
  ['pad with zeros', ({ v }) => v.pad([0], [1]), float(4), [2, 3, 5, 0]],
  ['pad that crops', ({ v }) => v.pad([-1], [1], 4), float(3), [3, 5, 4]],
  ['gather', ({ x }) => x.gather(x.graph.ints([2, 0]), 1), float(2, 2), [3, 1, -6, 0.5]],
  ['softmax', ({ x }) => x.mul(0).softmax(1), elements, each(() => 1 / 3)],
  ['softmax of another axis', ({ x }) => x.mul(0).softmax(0), elements, each(() => 1 / 2)],
  ['sum', ({ x }) => x.sum(), float(), [0.5]],
  ['sum over an axis', ({ x }) => x.sum([1]), float(2), [2, -1.5]],
  ['sum that keeps it', ({ x }) => x.sum([-2], true), float(1, 3), [1.5, 2, -3]],
  ['sum over none', ({ x }) => x.sum([]), elements, each((a) => a)],
  ['mean', ({ x }) => x.mean([1]), float(2), [2 / 3, -0.5]],
  ['amax', ({ x }) => x.amax([1]), float(2), [3, 4]],
  ['amin without its axis', ({ x }) => x.amin([1]), float(2), [-2, -6]],
  ['amin', ({ x }) => x.amin([1], true), float(2, 1), [-2, -6]],
  ['detach', ({ x }) => x.detach(), elements, each((a) => a)],
  ['zerosLike', ({ x }) => x.zerosLike(), elements, each(() => 0)],
  ['concat', ({ x, v }) => concat([x, v.reshape([1, 3])], 0), float(3, 3), [...each((a) => a), 2, 3, 5]],
  [
    'concat along another axis',
    ({ x }) => concat([x, x], -1),
    float(2, 6),
    [1, -2, 3, 1, -2, 3, 0.5, 4, -6, 0.5, 4, -6],
  ],
  ['a constant', ({ x }) => x.add(x.constant([10, 20], [2, 1])), elements, [11, 8, 13, 20.5, 24, 14]],
  ['a constant without shape', ({ x }) => x.mul(x.constant([1, 10, 100])), elements, [1, -20, 300, 0.5, 40, -600]],
  ['a constant number', ({ x }) => x.constant([3], []), float(), [3]],
];

describe('a tensor', () => {
  it.each(CASES)('%s', async (_name, build, type, expected) => {
    const given = inputs();
    const y = build(given);
    expect({ shape: [...y.shape], dtype: y.dtype }).toEqual(type);
    expect(y.size).toBe(expected.length);
    const { y: values = [] } = await runGraph(given.x.graph, { y }, DATA);
    expect(values).toHaveLength(expected.length);
    for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[i] as number, 4);
  });

  it('is itself where nothing is to be done', () => {
    const { x, v } = inputs();
    const same = [
      ...[x.cast('float32'), x.transpose([0, 1]), x.reshape([2, 3]), x.reshape([-1, 3]), x.expand([2, 3])],
      ...[x.flip([]), x.pad([0, 0], [0, 0]), x.sum([]), concat([x], 0)],
    ];
    for (const tensor of same) expect(tensor).toBe(x);
    expect(v.swapAxes(0, -1)).toBe(v);
    expect(x.graph.nodes).toEqual([]);
    const row = x.reshape([1, 6]);
    expect(row.flip([0])).toBe(row);
  });

  it('gives an operator of one input that one', () => {
    const { x } = inputs();
    const made = [x.softmax(1), x.cast('float64'), x.transpose([1, 0]), x.unary('Elu', 2), x.neg()];
    for (const { value } of made) expect(value.producer?.inputs).toEqual([x.value]);
  });

  it('knows its dimensions, and its elements where they are constant', () => {
    const { x } = inputs();
    expect([x.rank, x.size, x.dim(0), x.dim(-1)]).toEqual([2, 6, 2, 3]);
    expect(x.constantValues()).toBeUndefined();
    expect(x.constant([1, 2]).constantValues()).toEqual([1, 2]);
    expect(x.cast('int64').constant([7], []).dtype).toBe('int64');
  });

  const wrong: [string, (inputs: Inputs) => unknown, RegExp][] = [
    [
      'a reshape that loses elements',
      ({ x }) => x.reshape([4]),
      /cannot reshape \[2,3\] to \[4\]: 6 elements do not fit/,
    ],
    ['one whose −1 is no integer', ({ x }) => x.reshape([4, -1]), /cannot reshape/],
    ['one with two −1', ({ x }) => x.reshape([-1, -1]), /cannot reshape/],
    ['a fraction beside integers', ({ x }) => x.cast('int64').mul(0.5), /a constant of type int64 cannot hold 0.5/],
    ['an axis that is not there', ({ x }) => x.dim(2), /axis 2 is outside the range of a tensor of rank 2/],
    [
      'where without a tensor',
      ({ x }) => x.greater(0).where(1, 0),
      /one branch should be a tensor, got number and number/,
    ],
    ['a concat of nothing', () => concat([], 0), /concat needs a list of at least one tensor/],
    ['shapes that do not broadcast', ({ x, m }) => x.add(m), /Add 'Add_\d' with inputs .*cannot be broadcast together/],
    ['a constant of other size', ({ x }) => x.constant([1, 2], [3]), /shape \[3\] needs 3 values, got 2/],
    ['an unknown operator', ({ x }) => x.unary('Nonsense'), /Nonsense 'Nonsense_\d': this operator is not known/],
    ['too many outputs', ({ x }) => x.graph.emit('Exp', [x], {}, { outputs: 2 }), /2 outputs asked for, 1 inferred/],
  ];
  it.each(wrong)('refuses %s', (_what, build, message) => {
    expect(() => build(inputs())).toThrow(GlobalPercError);
    expect(() => build(inputs())).toThrow(message);
  });

  it('an operator that is not known has the code of one', () => {
    expect(() => inputs().x.unary('Nonsense')).toThrow(expect.objectContaining({ code: 'unsupported-operator' }));
  });

  it('without elements may be reshaped to another without', () => {
    const { x } = inputs();
    const { value } = x.slice([0], [0], [0]).reshape([3, 0]);
    expect(value).toMatchObject({ shape: [3, 0], producer: { attributes: { allowzero: int(1) } } });
  });

  it('of an imported model has no shape and dtype yet', () => {
    const { x } = inputs();
    delete x.value.shape;
    delete x.value.dtype;
    expect(() => x.shape).toThrow("the shape of 'x' is not known before");
    expect(() => x.dtype).toThrow("the dtype of 'x' is not known before");
  });
});

describe('a graph', () => {
  it('shares scalars and short lists of one type, and no other constants', () => {
    const { graph } = inputs().x;
    expect(graph.scalar(1, 'float32').value).toBe(graph.scalar(1, 'float32').value);
    expect(graph.ints([1, 2]).value).toBe(graph.ints([1, 2]).value);
    const eight = [1, 2, 3, 4, 5, 6, 7, 8];
    expect(graph.ints(eight).value).toBe(graph.ints(eight).value);
    const others = [
      ...[graph.scalar(1, 'float32'), graph.scalar(2, 'float32'), graph.scalar(1, 'int32'), graph.ints([1])],
      ...[graph.constant(constantOf('float32', [1], [1])), graph.constant(constantOf('float32', [], [1]), 'named')],
      ...[graph.ints([1, 2, 3, 4, 5, 6, 7, 8, 9]), graph.ints([1, 2, 3, 4, 5, 6, 7, 8, 9])],
    ].map(({ value }) => value);
    expect(new Set(others).size).toBe(others.length);
  });

  it('refuses two inputs or outputs of one name', () => {
    const { x, v } = inputs();
    const message = /two inputs or outputs of one graph are called/;
    expect(() => x.graph.input('v', 'float32', [1])).toThrow(message);
    expect(() => x.graph.output('v', x)).toThrow(message);
    x.graph.output('y', x);
    expect(() => x.graph.output('y', v)).toThrow(message);
    expect(() => x.graph.input('y', 'float32', [1])).toThrow(message);
  });

  it('puts what is traced into the scope that is set, unless another is named', () => {
    const { x } = inputs();
    x.graph.scope = 'blocks.0';
    x.exp();
    x.graph.emit('Exp', [x], {}, { modulePath: 'head', name: 'mine' });
    x.graph.scope = undefined;
    x.exp();
    expect(x.graph.nodes.map(({ modulePath }) => modulePath)).toEqual(['blocks.0', 'head', undefined]);
    expect(x.graph.nodes[1]?.name).toBe('mine');
  });
});
