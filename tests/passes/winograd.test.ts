/** Convolutions of three rows with half the multiplications: which they are, and that they compute the same. */
import { describe, expect, it, vi } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import {
  type Attributes,
  constantOf,
  type Graph,
  int,
  ints,
  type Shape,
  sizeOf,
  Tensor,
  type Value,
} from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss, loadModel, nn } from '../../src/index.js';
import { writeOnnx } from '../../src/onnx/index.js';
import { createGraph } from '../../src/ops/index.js';
import { winograd } from '../../src/passes/index.js';
import { Generator } from '../../src/random/index.js';
import { Session } from '../../src/runtime/index.js';
import { feedOf, numbersIn, relativeError, withSession } from '../support/run.js';

/** Normally distributed numbers. */
function normal(shape: Shape, seed: number, scale = 1) {
  const generator = new Generator(seed);
  return constantOf(
    'float32',
    shape,
    Float64Array.from({ length: sizeOf(shape) }, () => scale * generator.normal()),
  );
}

interface Convolution {
  readonly x: Shape;
  readonly w: Shape;
  readonly op?: 'Conv' | 'ConvTranspose';
  readonly attributes?: Attributes;
  readonly bias?: true;
}

/** A convolution of x with a constant weight. */
function convolved(x: Tensor, { w, op = 'Conv', attributes = {}, bias }: Omit<Convolution, 'x'>): Tensor {
  const weight = x.graph.constant(normal(w, 1, 1 / Math.sqrt(sizeOf(w.slice(1)))));
  const biases = bias && x.graph.constant(normal([w[0] as number], 2));
  return x.graph.emit(op, [x, weight, biases], attributes)[0] as Tensor;
}

type Build = (x: Tensor) => Tensor;

function graphOf(shape: Shape, build: Build): Graph {
  const graph = createGraph();
  graph.output('y', build(graph.input('x', 'float32', shape)));
  return graph;
}

/** Convolutions that stand for six. */
const grouped = ({ nodes }: Graph): number =>
  nodes.filter(({ attributes: { group } }) => group?.kind === 'int' && Number(group.value) === 6).length;

const computed = async (graph: Graph): Promise<number[]> =>
  withSession(graph, async (session) => {
    const { shape = [] } = graph.inputs[0] ?? {};
    return numbersIn((await session.run({ x: feedOf(normal(shape, 3)) })).y);
  });

async function expectSame(shape: Shape, build: Build, count = 1): Promise<void> {
  const expected = await computed(graphOf(shape, build));
  const { graph } = winograd(graphOf(shape, build));
  expect(grouped(graph)).toBe(count);
  const error = relativeError(await computed(graph), expected);
  expect(error).toBeLessThan(1e-6);
  // Not the same computation, so not the same rounding.
  expect(error).toBeGreaterThan(0);
}

const pads = (...all: number[]): Attributes => ({ pads: ints(all) });
const [SAME, KERNEL] = [pads(1, 1, 1, 1), [256, 256, 3, 3]];

describe('the same numbers', () => {
  it.each<[what: string, convolution: Convolution]>([
    ['rows that are no multiple of four', { x: [1, 256, 43, 43], w: KERNEL, attributes: SAME }],
    ['fewer rows than columns', { x: [1, 256, 22, 90], w: KERNEL, attributes: SAME }],
    ['a bias', { x: [1, 256, 44, 44], w: KERNEL, attributes: SAME, bias: true }],
    ['no zeros around', { x: [1, 256, 46, 46], w: KERNEL }],
    ['as many zeros as there are rows', { x: [1, 256, 42, 44], w: KERNEL, attributes: pads(2, 0, 2, 1) }],
    ['more zeros behind than in front', { x: [1, 256, 44, 44], w: KERNEL, attributes: pads(0, 2, 1, 0) }],
    ['one column', { x: [1, 512, 32, 64], w: [512, 512, 3, 1], attributes: pads(1, 0, 1, 0) }],
    ['five columns', { x: [1, 256, 36, 36], w: [256, 256, 3, 5], attributes: pads(1, 2, 1, 2) }],
    ['several samples, and other channels', { x: [3, 192, 32, 32], w: [320, 192, 3, 3], attributes: SAME, bias: true }],
    ['a gradient', { op: 'ConvTranspose', x: [1, 256, 43, 43], w: KERNEL, attributes: SAME }],
    [
      'a gradient of other channels',
      { op: 'ConvTranspose', x: [2, 320, 32, 32], w: [320, 192, 3, 3], attributes: SAME },
    ],
    [
      'a gradient of a larger image',
      { op: 'ConvTranspose', x: [1, 256, 44, 44], w: KERNEL, attributes: pads(0, 0, 0, 0) },
    ],
    [
      'a gradient with other zeros',
      { op: 'ConvTranspose', x: [1, 256, 45, 44], w: KERNEL, attributes: pads(0, 1, 2, 0) },
    ],
  ])('%s', async (_what, convolution) => {
    await expectSame(convolution.x, (x) => convolved(x, convolution));
  });

  it('a convolution and its gradient, which reads the weight turned', async () => {
    await expectSame(
      [1, 256, 44, 44],
      (x) => gradient(convolved(x, { w: KERNEL, attributes: SAME }).square().sum(), [x])[0] as Tensor,
      2,
    );
  });

  it('a convolution and a gradient, which read one form of a weight', () => {
    const build = (x: Tensor): Tensor => {
      const y = convolved(x, { w: KERNEL, attributes: SAME });
      const [, w] = y.value.producer?.inputs ?? [];
      return x.graph.emit('ConvTranspose', [y, new Tensor(x.graph, w as Value)], SAME)[0] as Tensor;
    };
    const { graph } = winograd(graphOf([1, 256, 44, 44], build));
    const weights = graph.nodes.filter(({ op }) => op.startsWith('Conv')).map(({ inputs: [, w] }) => w);
    expect(weights).toHaveLength(2);
    expect(new Set(weights).size).toBe(1);
  });
});

describe('left as it is', () => {
  const x = [1, 256, 44, 44];
  const w = KERNEL;
  it.each<[what: string, convolution: Convolution]>([
    ['a small one', { x: [1, 256, 32, 32], w, attributes: SAME }],
    [
      'few channels, for which taking rows apart takes longer than it saves',
      { x: [1, 64, 176, 176], w: [64, 64, 3, 3] },
    ],
    ['a high image, whose matrices are large', { x: [1, 256, 400, 44], w }],
    ['two rows', { x, w: [256, 256, 2, 5] }],
    ['strides', { x: [1, 256, 88, 88], w, attributes: { strides: ints([2, 2]), ...SAME } }],
    ['holes', { x, w: [256, 256, 3, 5], attributes: { dilations: ints([2, 1]), pads: ints([2, 2, 2, 2]) } }],
    ['groups', { x: [4, 256, 44, 44], w: [256, 128, 3, 3], attributes: { group: int(2), ...SAME } }],
    ['a gradient with a bias', { op: 'ConvTranspose', x, w, attributes: SAME, bias: true }],
    [
      'rows added to a gradient',
      { op: 'ConvTranspose', x, w, attributes: { strides: ints([2, 2]), output_padding: ints([1, 1]), ...SAME } },
    ],
  ])('%s', (_what, convolution) => {
    const graph = graphOf(convolution.x, (image) => convolved(image, convolution));
    expect(winograd(graph).graph).toBe(graph);
  });

  it('a weight that is trained', () => {
    const graph = graphOf(
      x,
      (image) => image.graph.emit('Conv', [image, image.graph.input('w', 'float32', w)], SAME)[0] as Tensor,
    );
    expect(winograd(graph).graph).toBe(graph);
  });
});

it('weights that are brought into this form at every run are worth it for large images alone', () => {
  const place = { folder: '/', location: 'weights', offset: 0, state: '' };
  const beside = { dtype: 'float32', shape: [2 ** 20, 2 ** 9], bytes: new Uint8Array(), place } as const;
  const rewritten = (side: number): number => {
    const graph = graphOf([1, 256, side, side], (image) => {
      const y = convolved(image, { w: KERNEL, attributes: SAME });
      return y.sum().add(image.graph.constant(beside).sum());
    });
    return grouped(winograd(graph).graph);
  };
  expect([44, 88].map(rewritten)).toEqual([0, 1]);
});

describe('a loss', () => {
  /** Two convolutions, the second of which is worth it, with open heights and widths. */
  function modelFile(): Uint8Array {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [1, 3, 44, 44]);
    const first = convolved(x, { w: [256, 3, 3, 3], attributes: SAME, bias: true }).relu();
    graph.output('y', convolved(first, { w: KERNEL, attributes: SAME, bias: true }));
    return writeOnnx(graph, { opset: 20, openInputs: 'sizes' }).model;
  }

  const lossOf = async () =>
    new GlobalPercLoss(
      await loadModel(modelFile()),
      new GlobalPercConfig({ modulesToHook: [nn.Conv2d], printData: false }),
    );
  const image = (side: number, seed: number) => {
    const { shape: dims, bytes } = normal([1, 3, side, side], seed);
    return { dims, data: new Float32Array(bytes.buffer) };
  };

  it('of images of several heights has one session, and the numbers of one of its own', async () => {
    await using shared = await lossOf();
    const opened = vi.spyOn(Session, 'openWritten');
    const computed = [];
    for (const side of [44, 47, 52]) computed.push(await shared.valueAndGrad(image(side, 5), image(side, 6)));
    expect(opened.mock.calls.filter(([, , { once }]) => !once)).toHaveLength(1);
    await using own = await lossOf();
    expect(await own.valueAndGrad(image(52, 5), image(52, 6))).toEqual(computed[2]);
  });

  it('has a gradient that agrees with central differences', async () => {
    await using loss = await lossOf();
    const [pred, target] = [image(44, 7), image(44, 8)];
    const { grad } = await loss.valueAndGrad(pred, target);
    const square = grad.data.reduce((sum, x) => sum + x * x, 0);
    const step = 0.5 / Math.sqrt(square);
    const at = (sign: number) =>
      loss.evaluate({ ...pred, data: pred.data.map((x, i) => x + sign * step * (grad.data[i] as number)) }, target);
    const slope = ((await at(1)) - (await at(-1))) / (2 * step);
    expect(Math.abs(slope / square - 1)).toBeLessThan(2e-3);
  });
});
