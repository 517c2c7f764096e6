/**
 * Inferred types are those ONNX Runtime computes: over drawn sizes and attributes for the operators whose shapes are
 * arithmetic, and for those that `ops.test.ts` has no case of. Inputs that the rule calls too small are not
 * compared: ONNX Runtime gives a pool one window there, or none, and PyTorch refuses as we do.
 */
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type Attributes,
  constantOf,
  float,
  type Graph,
  int,
  ints,
  ONNX_DTYPE,
  sizeOf,
  string,
  type Tensor,
} from '../../src/graph/index.js';
import { createGraph, operators, TooSmallError } from '../../src/ops/index.js';
import { type Draw, drawing } from '../support/draw.js';
import { feedOf, withSession } from '../support/run.js';
import { readFixture } from '../support/safetensors.js';

/** An operator's outputs in a graph of their own. */
interface Emitted {
  readonly graph: Graph;
  readonly outputs: readonly Tensor[];
}

type Emit = (graph: Graph, draw: Draw) => Tensor[];

/** `undefined` where the rule calls the input too small. */
function emitted(emit: Emit, draw: Draw): Emitted | undefined {
  const graph = createGraph();
  try {
    return { graph, outputs: emit(graph, draw) };
  } catch (error) {
    if ((error as Error).cause instanceof TooSmallError) return undefined;
    throw error;
  }
}

async function expectTypes({ graph, outputs }: Emitted): Promise<void> {
  const { op, attributes } = graph.nodes.at(-1) as Graph['nodes'][number];
  for (const [i, output] of outputs.entries()) graph.output(`output_${i}`, output);
  const feeds = graph.inputs.map(({ name, shape = [] }) => [
    name,
    feedOf(constantOf('float32', shape, new Float32Array(sizeOf(shape)).fill(0.5))),
  ]);
  const results = await withSession(graph, (session) => session.run(Object.fromEntries(feeds)));
  const [dtypes, shapes] = [outputs.map(({ dtype }) => dtype), outputs.map(({ shape }) => shape)];
  const found = outputs.map((_, i) => results[`output_${i}`]);
  const what = `${op} ${JSON.stringify(attributes)} of [${graph.inputs[0]?.shape}]`;
  expect(
    found.map((result) => result?.dims),
    what,
  ).toEqual(shapes);
  expect(
    found.map((result) => result?.dtype),
    what,
  ).toEqual(dtypes);
}

const image = (graph: Graph, shape: readonly number[]): Tensor => graph.input('x', 'float32', shape);
const zeros = (graph: Graph, ...shape: number[]): Tensor =>
  graph.constant(constantOf('float32', shape, new Float32Array(sizeOf(shape))));
const list = (count: number, draw: () => number): number[] => Array.from({ length: count }, draw);

/** Windows that ONNX Runtime takes: SAME without dilation, padding narrower than a pool's kernel. */
function windows(draw: Draw, rank: number, op: string) {
  const [sizes, kernel] = [list(rank, () => 1 + draw(9)), list(rank, () => 1 + draw(4))];
  const automatic = op === 'DeformConv' ? 'NOTSET' : ['NOTSET', 'NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'][draw(5)];
  const same = automatic?.startsWith('SAME') ?? false;
  const strides = list(rank, () => 1 + draw(3));
  const dilations = list(rank, () => (same && op !== 'ConvTranspose' ? 1 : 1 + draw(3)));
  const pads = [...kernel, ...kernel].map((k) => draw(k));
  const attributes: Attributes = {
    kernel_shape: ints(kernel),
    strides: ints(strides),
    dilations: ints(dilations),
    ...(automatic === 'NOTSET' ? { pads: ints(pads) } : { auto_pad: string(automatic as string) }),
    ...(op.endsWith('Pool') ? { ceil_mode: int(draw(2)) } : {}),
  };
  return { sizes, kernel, strides, attributes };
}

const pool =
  (op: string): Emit =>
  (graph, draw) => {
    const { sizes, attributes } = windows(draw, 1 + draw(3), op);
    return graph.emit(op, [image(graph, [2, 1, ...sizes])], attributes, { outputs: op === 'MaxPool' ? 2 : 1 });
  };

const convolution: Emit = (graph, draw) => {
  const { sizes, kernel, attributes } = windows(draw, 1 + draw(3), 'Conv');
  return graph.emit('Conv', [image(graph, [1, 4, ...sizes]), zeros(graph, 6, 2, ...kernel)], {
    ...attributes,
    group: int(2),
  });
};

const transposed: Emit = (graph, draw) => {
  const { sizes, kernel, strides, attributes } = windows(draw, 1 + draw(3), 'ConvTranspose');
  const inputs = [image(graph, [1, 4, ...sizes]), zeros(graph, 4, 3, ...kernel)];
  const padding = { output_padding: ints(strides.map((stride) => draw(stride))) };
  return graph.emit('ConvTranspose', inputs, { ...attributes, ...padding, group: int(2) });
};

const deformable: Emit = (graph, draw) => {
  const { sizes, kernel, attributes } = windows(draw, 2, 'DeformConv');
  const inputs = (on: Graph): Tensor[] => [image(on, [1, 2, ...sizes]), zeros(on, 3, 2, ...kernel)];
  const scratch = createGraph();
  const [y] = scratch.emit('Conv', inputs(scratch), attributes) as [Tensor];
  const offset = zeros(graph, 1, 2 * sizeOf(kernel), ...y.shape.slice(2));
  return graph.emit('DeformConv', [...inputs(graph), offset], attributes);
};

const resize: Emit = (graph, draw) => {
  const sizes = list(2, () => 1 + draw(9));
  const x = image(graph, [1, 1, ...sizes]);
  const modes = ['half_pixel', 'asymmetric', 'align_corners', 'half_pixel_symmetric', 'pytorch_half_pixel'];
  const attributes = {
    mode: string(['nearest', 'linear', 'cubic'][draw(3)] as string),
    coordinate_transformation_mode: string(modes[draw(5)] as string),
  };
  if (draw(2) === 0) {
    const factors = sizes.map((size) => Math.max(1 + draw(30), Math.ceil(10 / size)) / 10);
    const scales = graph.constant(constantOf('float32', [4], [1, 1, ...factors]));
    return graph.emit('Resize', [x, undefined, scales], attributes);
  }
  const wanted = graph.ints(list(2, () => 1 + draw(12)));
  const policy = string(['stretch', 'not_larger', 'not_smaller'][draw(3)] as string);
  const more = { axes: ints([2, 3]), keep_aspect_ratio_policy: policy };
  return graph.emit('Resize', [x, undefined, undefined, wanted], { ...attributes, ...more });
};

const slice: Emit = (graph, draw) => {
  const around = (): number => draw(17) - 8;
  const x = image(graph, [1 + draw(6), 1 + draw(6), 1 + draw(6)]);
  const steps = list(2, () => (1 + draw(3)) * (draw(2) * 2 - 1));
  const [starts, ends] = [list(2, around), list(2, around)];
  return graph.emit('Slice', [x, ...[starts, ends, [-1, 0], steps].map((values) => graph.ints(values))]);
};

const pad: Emit = (graph, draw) => {
  const shape = list(2, () => 3 + draw(4));
  const amounts = graph.ints(list(4, () => draw(5) - 1));
  const mode = ['constant', 'edge', 'reflect', 'wrap'][draw(4)] as string;
  return graph.emit('Pad', [image(graph, shape), amounts], { mode: string(mode) });
};

const split: Emit = (graph, draw) => {
  const count = 2 + draw(3);
  const axis = draw(2);
  // Parts of equal size but the last, which must have an element.
  const size = (1 + draw(3)) * (count - 1) + 1;
  const rows = Math.ceil(size / count) * (count - 1) < size ? size : count;
  const x = image(graph, axis === 0 ? [rows, 2] : [2, rows]);
  return graph.emit('Split', [x], { num_outputs: int(count), axis: int(axis - 2) }, { outputs: count });
};

const shortTime: Emit = (graph, draw) => {
  const length = 2 + draw(6);
  const x = image(graph, [1 + draw(2), length + draw(12), 1]);
  const step = graph.scalar(1 + draw(4), 'int64');
  return graph.emit('STFT', [x, step, undefined, graph.scalar(length, 'int64')], { onesided: int(draw(2)) });
};

const fourier: Emit = (graph, draw) => {
  const axis = graph.scalar(1 + draw(2), 'int64');
  const length = draw(2) ? graph.scalar(1 + draw(9), 'int64') : undefined;
  const onesided = draw(2);
  const x = image(graph, [1, 1 + draw(6), 1 + draw(6), 2 - onesided]);
  return graph.emit('DFT', [x, length, axis], { onesided: int(onesided) });
};

const range: Emit = (graph, draw) => {
  const [start, limit, delta] = [draw(9) - 4, draw(19) - 9, (1 + draw(4)) * (draw(2) - 0.5)] as const;
  return graph.emit(
    'Range',
    [start, limit, delta].map((value) => graph.scalar(value, 'float32')),
  );
};

const drawn: Readonly<Record<string, Emit>> = {
  Conv: convolution,
  ConvTranspose: transposed,
  DeformConv: deformable,
  MaxPool: pool('MaxPool'),
  AveragePool: pool('AveragePool'),
  LpPool: pool('LpPool'),
  Resize: resize,
  Slice: slice,
  Pad: pad,
  Split: split,
  STFT: shortTime,
  DFT: fourier,
  Range: range,
};

describe('over drawn sizes and attributes', () => {
  it.each(Object.entries(drawn))('%s', async (_, emit) => {
    const draw = drawing(3);
    let compared = 0;
    for (let i = 0; i < 120; i += 1) {
      const made = emitted(emit, draw);
      if (made === undefined) continue;
      await expectTypes(made);
      compared += 1;
    }
    expect(compared).toBeGreaterThan(60);
  });
});

const numbers = (graph: Graph): Tensor => image(graph, [2, 3]);
const values = (graph: Graph): Tensor => graph.constant(constantOf('float32', [2], [0, 1]));
const indices = (graph: Graph): Tensor => graph.constant(constantOf('int64', [2, 3], [0, 1, 2, 3, 1, 0]));
const oneHot =
  (axis?: number): Emit =>
  (graph) =>
    graph.emit(
      'OneHot',
      [indices(graph), graph.scalar(4, 'int64'), values(graph)],
      axis === undefined ? {} : { axis: int(axis) },
    );
const random =
  (op: string, attributes: Attributes, like = false): Emit =>
  (graph) =>
    graph.emit(op, like ? [numbers(graph)] : [], attributes);
const double = { dtype: int(ONNX_DTYPE.float64) };

const others: [string, Emit][] = [
  ['IsNaN', (graph) => graph.emit('IsNaN', [numbers(graph)])],
  ['IsInf', (graph) => graph.emit('IsInf', [numbers(graph)])],
  ['Hardmax', (graph) => graph.emit('Hardmax', [numbers(graph)])],
  ['OneHot', oneHot()],
  ['OneHot', oneHot(0)],
  ['OneHot', oneHot(1)],
  ['OneHot', oneHot(-2)],
  [
    'Constant',
    (graph) => graph.emit('Constant', [], { value: { kind: 'tensor', value: constantOf('int32', [2, 1], [1, 2]) } }),
  ],
  ['RandomUniform', random('RandomUniform', { shape: ints([2, 4]), low: float(1) })],
  ['RandomUniform', random('RandomUniform', { shape: ints([3]), ...double })],
  ['RandomUniformLike', random('RandomUniformLike', {}, true)],
  ['RandomNormal', random('RandomNormal', { shape: ints([2, 4]), ...double })],
  ['RandomNormalLike', random('RandomNormalLike', double, true)],
  ['Bernoulli', random('Bernoulli', {}, true)],
  ['Bernoulli', random('Bernoulli', double, true)],
];

describe('of operators without stored results', () => {
  it.each(others)('%s', async (_, emit) => {
    await expectTypes(emitted(emit, drawing(1)) as Emitted);
  });
});

it('every operator is among them, or has stored results', () => {
  const folder = new URL('../../fixtures/data/ops', import.meta.url);
  const stored = readdirSync(folder).flatMap((file) => readFixture<{ op: string }>(`ops/${file}`).cases);
  const known = new Set([...stored.map(({ op }) => op), ...others.map(([op]) => op)]);
  expect([...operators.keys()].filter((op) => !known.has(op))).toEqual([]);
});
