/** The reverse walk itself: broadcasting, accumulation, detaching, and what it refuses. */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { constantInFile, constantOf, int, ints, type Tensor } from '../../src/graph/index.js';
import { createGraph, operators } from '../../src/ops/index.js';
import { runGraph } from '../support/run.js';

const values = (...numbers: number[]) => constantOf('float32', [numbers.length], numbers);

describe('gradient', () => {
  it('adds up all uses of a tensor', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const [grad] = gradient(x.mul(x).add(x).sum(), [x]);
    expect((await runGraph(graph, { grad: grad as Tensor }, { x: values(3, -1) })).grad).toEqual([7, -1]);
  });

  it('says which node of a file lacks what its rule reads', () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2, 4]);
    const [y] = graph.emit('InstanceNormalization', [x], {}, { types: [{ dtype: 'float32', shape: [2, 4] }] });
    expect(() => gradient((y as Tensor).sum(), [x])).toThrow(
      /InstanceNormalization.*: the inputs \[2,4\], none are not those of a InstanceNormalization; export the model again/,
    );
  });

  it('sums over broadcast axes', async () => {
    const graph = createGraph();
    const row = graph.input('row', 'float32', [2]);
    const weights = graph.constant(constantOf('float32', [3, 2], [1, 2, 3, 4, 5, 6]));
    const [grad] = gradient(row.mul(weights).sum(), [row]);
    expect(grad?.shape).toEqual([2]);
    expect((await runGraph(graph, { grad: grad as Tensor }, { row: values(0, 0) })).grad).toEqual([9, 12]);
  });

  it('sums over axes of one element that were broadcast, and over those only', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [1, 2, 1]);
    const weights = graph.constant(constantOf('float32', [1, 2, 3], [1, 2, 3, 4, 5, 6]));
    const [grad] = gradient(x.mul(weights).sum(), [x]);
    expect(grad?.shape).toEqual([1, 2, 1]);
    const feeds = { x: constantOf('float32', [1, 2, 1], [0, 0]) };
    expect((await runGraph(graph, { grad: grad as Tensor }, feeds)).grad).toEqual([6, 15]);
  });

  it('sums over axes that were added and over those of one element behind them', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2, 1]);
    const weights = graph.constant(constantOf('float32', [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]));
    const [grad] = gradient(x.mul(weights).sum(), [x]);
    const feeds = { x: constantOf('float32', [2, 1], [0, 0]) };
    expect((await runGraph(graph, { grad: grad as Tensor }, feeds)).grad).toEqual([14, 22]);
  });

  it('sums over nothing where nothing was broadcast', () => {
    const countOf = (shape: number[]): number => {
      const graph = createGraph();
      const x = graph.input('x', 'float32', shape);
      gradient(x.mul(x).sum(), [x]);
      return graph.nodes.length;
    };
    expect(countOf([1, 2])).toBe(countOf([3, 2]));
  });

  it('reaches an operator by one of its outputs', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [4]);
    const [, second] = graph.emit('Split', [x], { num_outputs: int(2) }, { outputs: 2 }) as [Tensor, Tensor];
    const [grad] = gradient(second.mul(x.slice([0], [0], [2])).sum(), [x]);
    expect((await runGraph(graph, { grad: grad as Tensor }, { x: values(1, 2, 3, 4) })).grad).toEqual([3, 4, 1, 2]);
  });

  it('passes inputs by that are absent', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const scale = graph.input('scale', 'float32', [2]);
    const [y] = graph.emit('LayerNormalization', [x, scale, undefined]) as [Tensor];
    const [grad] = gradient(y.sum(), [scale]);
    const found = await runGraph(graph, { grad: grad as Tensor }, { x: values(-1e3, 1e3), scale: values(2, 2) });
    expect(found.grad?.map((value) => Math.round(value * 1e4) / 1e4)).toEqual([-1, 1]);
  });

  it('does not follow an input by which a rule gives none', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const [same] = graph.emit('Dropout', [x.mul(3), x.mul(0.1).sum()]) as [Tensor];
    const [grad] = gradient(same.sum(), [x]);
    expect((await runGraph(graph, { grad: grad as Tensor, same }, { x: values(1, 2) })).grad).toEqual([3, 3]);
  });

  it('stops at a detached tensor', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const [grad] = gradient(x.mul(x.detach()).sum(), [x]);
    expect((await runGraph(graph, { grad: grad as Tensor }, { x: values(3, -1) })).grad).toEqual([3, -1]);
  });

  it('builds nothing for what is not asked for: weights and other inputs', () => {
    const graph = createGraph();
    const [x, other] = [graph.input('x', 'float32', [2, 2]), graph.input('other', 'float32', [2, 2])];
    const weight = graph.constant(constantOf('float32', [2, 2], [1, 2, 3, 4]));
    gradient(x.matmul(weight).matmul(other).sum(), [x]);
    expect(graph.nodes.filter(({ op }) => op === 'MatMul' || op === 'Gemm')).toHaveLength(4);
  });

  it('asks for tensors on the way to others, and for detached ones', async () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const [y, copy] = [x.mul(3), x.detach()];
    const [dx, dy, dCopy] = gradient(y.mul(y).add(copy.mul(5)).sum(), [x, y, copy]) as [Tensor, Tensor, Tensor];
    const found = await runGraph(graph, { dx, dy, dCopy }, { x: values(1, -2) });
    expect(found).toEqual({ dx: [18, -36], dy: [6, -12], dCopy: [5, 5] });
  });

  it('passes an operator without a rule by, where only its further outputs are used', () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const types = [
      { dtype: 'float32', shape: [2] },
      { dtype: 'int64', shape: [2] },
    ] as const;
    const [, places] = graph.emit('Unknown', [x], {}, { types, outputs: 2 }) as [Tensor, Tensor];
    expect(gradient(x.gather(places, 0).sum(), [x])).toHaveLength(1);
  });

  it.each(['RandomNormalLike', 'RandomUniformLike', 'Bernoulli'])('stops at what %s draws', async (op) => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const [drawn] = x.graph.emit(op, [x]) as [Tensor];
    const [grad] = gradient(x.mul(3).add(drawn).sum(), [x]);
    const found = await runGraph(graph, { grad: grad as Tensor, drawn }, { x: values(0.2, 0.7) });
    expect(found.grad).toEqual([3, 3]);
    expect(found.drawn).toHaveLength(2);
  });

  it('gives zeros for a tensor the loss does not depend on', async () => {
    const graph = createGraph();
    const [x, y] = [graph.input('x', 'float32', [2]), graph.input('y', 'float32', [2])];
    const [grad] = gradient(x.sum(), [y]);
    expect(
      (await runGraph(graph, { grad: grad as Tensor, negative: x.neg() }, { x: values(1, 2), y: values(1, 2) })).grad,
    ).toEqual([0, 0]);
  });

  it('needs a scalar', () => {
    const x = createGraph().input('x', 'float32', [2]);
    expect(() => gradient(x, [x])).toThrow(/needs a scalar loss, got shape \[2\]/);
  });
});

describe('the gradient of x + (q − x)', () => {
  const gradientOf = async (build: (x: Tensor, q: Tensor) => Tensor): Promise<number[] | undefined> => {
    const graph = createGraph();
    const [x, q] = [graph.input('x', 'float32', [2]), graph.input('q', 'float32', [2])];
    const [grad] = gradient(
      build(x, q)
        .mul(graph.constant(values(2, -3)))
        .sum(),
      [x],
    );
    return (await runGraph(graph, { grad: grad as Tensor }, { x: values(0.4, 0.6), q: values(5, 6) })).grad;
  };

  it('is as written: 0 for any q that does not depend on x', async () => {
    expect(await gradientOf((x, q) => x.add(q.sub(x)))).toEqual([0, 0]);
    expect(await gradientOf((x) => x.add(x.unary('Round').sub(x)))).toEqual([0, 0]);
    expect(await gradientOf((x) => x.add(x.mul(5).sub(x)))).toEqual([10, -15]);
  });

  it('goes straight to x where the bracket is detached', async () => {
    expect(await gradientOf((x, q) => x.add(q.sub(x).detach()))).toEqual([2, -3]);
  });
});

describe('an operator without a rule', () => {
  const unknown = (x: Tensor): Tensor => {
    const types = [{ dtype: 'float32', shape: x.shape }] as const;
    return x.graph.emit('MaxRoiPool', [x], {}, { types, name: '/warp/MaxRoiPool', modulePath: 'warp' })[0] as Tensor;
  };

  it('is named with its module before anything is appended, where the gradient must pass it', () => {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [2]);
    const loss = unknown(x).sum();
    const before = graph.nodes.length;
    expect(() => gradient(loss, [x])).toThrow(
      expect.objectContaining({
        name: 'GlobalPercError',
        code: 'unsupported-operator',
        message: expect.stringContaining(
          "MaxRoiPool '/warp/MaxRoiPool' in module 'warp': this operator has no gradient rule",
        ),
      }),
    );
    expect(graph.nodes).toHaveLength(before);
  });

  it('is no matter elsewhere: beside the path, or behind a target', () => {
    const graph = createGraph();
    const [x, target] = [graph.input('x', 'float32', [2]), graph.input('target', 'float32', [2])];
    unknown(x);
    expect(gradient(x.sub(unknown(target)).sum(), [x])).toHaveLength(1);
  });
});

it('an operator whose further outputs alone are used is named', () => {
  const graph = createGraph();
  const [x, scale] = [graph.input('x', 'float32', [2]), graph.input('scale', 'float32', [2])];
  const [, mean] = graph.emit('LayerNormalization', [x, scale], {}, { outputs: 2 }) as [Tensor, Tensor];
  expect(() => gradient(mean.sum(), [x])).toThrow(
    expect.objectContaining({
      name: 'GlobalPercError',
      code: 'unsupported-operator',
      message: expect.stringMatching(/^LayerNormalization .*: only its further outputs are used, and they have no gra/),
    }),
  );
});

it.each([
  ['shape', (x: Tensor) => x.transpose([1, 0]), [2, 3], 'float32[3,2]'],
  ['dtype', (x: Tensor) => x.cast('float64'), [2, 3], 'float64[2,3]'],
  ['rank', (x: Tensor) => x.sum(), [2, 3], 'float32[]'],
  ['rank, where the input has axes of one element', (x: Tensor) => x.sum([1]), [3, 1], 'float32[3]'],
])('a rule that gives a wrong %s is a defect that names it', (_what, wrong, shape, given) => {
  const rule = operators.get('Neg');
  const graph = createGraph();
  const x = graph.input('x', 'float32', shape);
  const broken = { ...rule, vjp: () => [() => wrong(x)] };
  (operators as Map<string, unknown>).set('Neg', broken);
  try {
    const message = `': input 0 is float32[${shape}], its gradient ${given}`;
    expect(() => gradient(x.neg().sum(), [x])).toThrow(/^gradient rule of Neg 'Neg_\d+'/);
    expect(() => gradient(x.neg().sum(), [x])).toThrow(message);
  } finally {
    (operators as Map<string, unknown>).set('Neg', rule);
  }
});

it.each([
  ['large, at many places', 'a convolution', 180, 64, 1, ['Conv', 'Conv']],
  ['large, at few', 'a transposed convolution, which reads it as it lies', 180, 32, 1, ['Conv', 'ConvTranspose']],
  ['small, at few', 'a convolution', 170, 32, 1, ['Conv', 'Conv']],
  ['small, at many, with a stride', 'a transposed convolution', 170, 128, 2, ['Conv', 'ConvTranspose']],
])('a kernel that stays in its file, %s: its gradient is %s', (_kernel, _what, channels, side, stride, expected) => {
  const graph = createGraph();
  const x = graph.input('x', 'float32', [1, channels, side, side]);
  const place = { folder: '/', location: 'weights', offset: 0, state: '' };
  const kernel = constantInFile(
    { dtype: 'float32', shape: [channels, channels, 3, 3] },
    place,
    (_, length) => new Uint8Array(length),
  );
  const attributes = { pads: ints([1, 1, 1, 1]), strides: ints([stride, stride]) };
  const [y] = graph.emit('Conv', [x, graph.constant(kernel)], attributes) as [Tensor];
  gradient(y.sum(), [x]);
  expect(graph.nodes.map(({ op }) => op).filter((op) => op.startsWith('Conv'))).toEqual(expected);
});
