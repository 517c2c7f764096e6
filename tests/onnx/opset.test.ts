/** Every rewriting rule: the file as it is and the normalised graph give the same numbers in ONNX Runtime. */
import { readFileSync } from 'node:fs';
import { TensorProto_DataType as ElementType, type TensorProto } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { numbersOf } from '../../src/graph/index.js';
import { readOnnx } from '../../src/onnx/index.js';
import { createGraph, requiredOpset } from '../../src/ops/index.js';
import { runSteps, Session } from '../../src/runtime/index.js';
import { numbersIn } from '../support/run.js';
import { floatTensor, input, intTensor, type ModelSpec, modelBytes, type NodeSpec } from './build.js';

type Case = Omit<ModelSpec, 'nodes'> & {
  name: string;
  opset: number;
  shape: number[];
  node: NodeSpec;
  before?: NodeSpec[];
};

const node = (op: string, attributes: NodeSpec[3] = {}, more: string[] = [], outputs = ['y']): NodeSpec => [
  op,
  ['x', ...more],
  outputs,
  attributes,
];

const reductions = ['L1', 'L2', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'SumSquare', 'Sum'].map(
  (kind) => `Reduce${kind}`,
);

const cases: Case[] = [
  { name: 'Squeeze with axes', opset: 11, shape: [1, 2, 1, 3], node: node('Squeeze', { axes: [0] }) },
  { name: 'Squeeze without axes', opset: 11, shape: [1, 2, 1, 3], node: node('Squeeze') },
  { name: 'Unsqueeze', opset: 9, shape: [2, 3], node: node('Unsqueeze', { axes: [0, 3] }) },
  ...reductions.map((op) => ({
    name: `${op} at 11`,
    opset: 11,
    shape: [2, 3, 4],
    node: node(op, { axes: [-1, 0], keepdims: 0 }),
  })),
  { name: 'ReduceMean at 17', opset: 17, shape: [2, 3], node: node('ReduceMean', { axes: [1] }) },
  { name: 'ReduceMax of everything', opset: 13, shape: [2, 3], node: node('ReduceMax') },
  {
    name: 'ReduceSum at 13',
    opset: 13,
    shape: [2, 3],
    node: node('ReduceSum', {}, ['axes']),
    initializers: [intTensor('axes', [1])],
  },
  {
    name: 'Split by attribute',
    opset: 11,
    shape: [2, 5],
    node: node('Split', { axis: 1, split: [2, 3] }, [], ['y', 'z']),
    outputs: ['y', 'z'],
  },
  { name: 'Split evenly', opset: 13, shape: [4, 2], node: node('Split', {}, [], ['y', 'z']), outputs: ['y', 'z'] },
  { name: 'Clip on both sides', opset: 8, shape: [7], node: node('Clip', { min: { float: -0.5 }, max: { float: 1 } }) },
  { name: 'Clip above', opset: 10, shape: [7], node: node('Clip', { max: { float: 1 } }) },
  { name: 'Dropout', opset: 10, shape: [2, 3], node: node('Dropout', { ratio: { float: 0.3 } }) },
  {
    name: 'Pad with a value',
    opset: 10,
    shape: [2, 3],
    node: node('Pad', { pads: [0, 1, 1, 2], value: { float: 2.5 } }),
  },
  { name: 'Pad by reflection', opset: 9, shape: [3, 3], node: node('Pad', { pads: [0, 1, 1, 2], mode: 'reflect' }) },
  { name: 'Slice', opset: 9, shape: [4, 5], node: node('Slice', { axes: [1], starts: [-3], ends: [1000] }) },
  { name: 'Slice without axes', opset: 7, shape: [4, 5], node: node('Slice', { starts: [1, 0], ends: [3, 2] }) },
  { name: 'TopK at 9', opset: 9, shape: [2, 5], node: node('TopK', { k: 2 }, [], ['y', 'indices']) },
  {
    name: 'TopK at 10',
    opset: 10,
    shape: [5, 2],
    node: node('TopK', { axis: 0 }, ['k'], ['y', 'indices']),
    initializers: [intTensor('k', [2])],
  },
  ...['Softmax', 'LogSoftmax', 'Hardmax'].flatMap((op) => [
    { name: `${op} by default`, opset: 11, shape: [2, 3, 2], node: node(op) },
    { name: `${op} on axis 2 of 4`, opset: 12, shape: [1, 2, 3, 2], node: node(op, { axis: 2 }) },
    { name: `${op} on axis 0`, opset: 9, shape: [2, 3], node: node(op, { axis: 0 }) },
    { name: `${op} on the last axis`, opset: 11, shape: [2, 3, 2], node: node(op, { axis: -1 }) },
    { name: `${op} at 13`, opset: 13, shape: [2, 3, 2], node: node(op, { axis: 1 }) },
  ]),
  {
    name: 'Upsample at 7',
    opset: 7,
    shape: [1, 1, 2, 3],
    node: node('Upsample', { mode: 'nearest', scales: { floats: [1, 1, 2, 3] } }),
  },
  {
    name: 'Upsample at 9',
    opset: 9,
    shape: [1, 1, 2, 3],
    node: node('Upsample', { mode: 'linear' }, ['s']),
    initializers: [floatTensor('s', [4], [1, 1, 2, 2])],
  },
  {
    name: 'Upsample by 1.5',
    opset: 9,
    shape: [1, 1, 4, 4],
    node: node('Upsample', {}, ['s']),
    initializers: [floatTensor('s', [4], [1, 1, 1.5, 1.5])],
  },
  {
    name: 'Resize at 10 up',
    opset: 10,
    shape: [1, 1, 3, 3],
    node: node('Resize', {}, ['s']),
    initializers: [floatTensor('s', [4], [1, 1, 2.5, 1.5])],
  },
  {
    name: 'Resize at 10 down',
    opset: 10,
    shape: [1, 1, 5, 6],
    node: node('Resize', {}, ['s']),
    initializers: [floatTensor('s', [4], [1, 1, 0.6, 0.5])],
  },
  ...[
    [1, 1, 2, 0.5],
    [1, 1, 0.4, 1.7],
    [2, 0.5, 1, 1.5],
  ].flatMap((scales) =>
    ['nearest', 'linear'].map((mode) => ({
      name: `Resize at 10, ${mode}, by ${scales}`,
      opset: 10,
      shape: mode === 'linear' ? [1, 1, 5, 7] : [1, 4, 5, 7],
      node: node('Resize', { mode }, ['s']),
      initializers: [floatTensor('s', [4], mode === 'linear' ? [1, 1, ...scales.slice(2)] : scales)],
    })),
  ),
  {
    name: 'Resize at 10 by scales that are computed',
    opset: 10,
    shape: [1, 1, 5, 6],
    before: [['Mul', ['a', 'b'], ['s']]],
    node: node('Resize', {}, ['s']),
    initializers: [floatTensor('a', [4], [1, 1, 2, 2]), floatTensor('b', [4], [1, 1, 0.3, 0.9])],
  },
  {
    name: 'Resize at 10 linear',
    opset: 10,
    shape: [1, 1, 3, 3],
    node: node('Resize', { mode: 'linear' }, ['s']),
    initializers: [floatTensor('s', [4], [1, 1, 2, 1.5])],
  },
  {
    name: 'Resize at 11 with empty roi and scales',
    opset: 11,
    shape: [1, 1, 2, 2],
    node: node('Resize', { mode: 'linear', coordinate_transformation_mode: 'pytorch_half_pixel' }, ['e', 'e', 'sizes']),
    initializers: [floatTensor('e', [0], []), intTensor('sizes', [1, 1, 5, 3])],
  },
  ...['floor', 'round_prefer_floor'].map((nearest_mode) => ({
    name: `Resize at 11 as TensorFlow's nearest, ${nearest_mode}`,
    opset: 11,
    shape: [1, 1, 7, 8],
    node: node('Resize', { coordinate_transformation_mode: 'tf_half_pixel_for_nn', nearest_mode }, ['e', 'e', 'sizes']),
    initializers: [floatTensor('e', [0], []), intTensor('sizes', [1, 1, 5, 16])],
  })),
  {
    name: 'BatchNormalization at 8',
    opset: 8,
    shape: [1, 2, 3],
    node: node('BatchNormalization', { spatial: 1 }, ['a', 'b', 'c', 'd']),
    initializers: ['a', 'b', 'c', 'd'].map((name, i) => floatTensor(name, [2], [0.5 + i, 1.5 - i / 4])),
  },
  {
    name: 'GroupNormalization at 18',
    opset: 18,
    shape: [1, 6, 2, 2],
    node: node('GroupNormalization', { num_groups: 3 }, ['a', 'b']),
    initializers: [floatTensor('a', [3], [1, 2, -1]), floatTensor('b', [3], [0.5, 0, 1])],
  },
  {
    name: 'RoiAlign at 10',
    opset: 10,
    shape: [1, 2, 5, 5],
    node: node('RoiAlign', { output_height: 2, output_width: 2, sampling_ratio: 2 }, ['rois', 'batch']),
    initializers: [floatTensor('rois', [1, 4], [0.3, 0.6, 4.1, 3.2]), intTensor('batch', [0])],
  },
  {
    name: 'GridSample at 16',
    opset: 16,
    shape: [1, 1, 3, 3],
    node: node('GridSample', { mode: 'bilinear' }, ['g']),
    initializers: [floatTensor('g', [1, 1, 2, 2], [-0.3, 0.4, 0.8, -0.9])],
  },
  { name: 'DFT at 17', opset: 17, shape: [2, 3, 4, 2], node: node('DFT', { axis: 2 }) },
  { name: 'DFT at 17 of the first axis', opset: 17, shape: [1, 4, 3, 1], node: node('DFT', { onesided: 1 }) },
  {
    name: 'Scatter at 9',
    opset: 9,
    shape: [2, 3],
    node: node('Scatter', { axis: 1 }, ['i', 'u']),
    initializers: [{ ...intTensor('i', [2, 0]), dims: [2n, 1n] }, floatTensor('u', [2, 1], [9, 8])],
  },
  // The last operator set before each change.
  { name: 'Squeeze at 12', opset: 12, shape: [1, 2, 1, 3], node: node('Squeeze', { axes: [2] }) },
  { name: 'Unsqueeze at 12', opset: 12, shape: [2, 3], node: node('Unsqueeze', { axes: [1] }) },
  { name: 'ReduceSum at 12', opset: 12, shape: [2, 3], node: node('ReduceSum', { axes: [0] }) },
  ...reductions
    .filter((op) => op !== 'ReduceSum')
    .map((op) => ({ name: `${op} at 17`, opset: 17, shape: [2, 3], node: node(op, { axes: [1] }) })),
  {
    name: 'Split at 12',
    opset: 12,
    shape: [5, 2],
    node: node('Split', { split: [1, 4] }, [], ['y', 'z']),
    outputs: ['y', 'z'],
  },
  { name: 'Split at 17', opset: 17, shape: [4, 2], node: node('Split', {}, [], ['y', 'z']), outputs: ['y', 'z'] },
  { name: 'Dropout at 11', opset: 11, shape: [2, 3], node: node('Dropout', { ratio: { float: 0.3 } }) },
  { name: 'DFT at 19', opset: 19, shape: [2, 3, 4, 2], node: node('DFT', { axis: 2 }) },
  {
    name: 'BatchNormalization at 13',
    opset: 13,
    shape: [1, 2, 3],
    node: node('BatchNormalization', { momentum: { float: 0.5 } }, ['a', 'b', 'c', 'd']),
    initializers: ['a', 'b', 'c', 'd'].map((name, i) => floatTensor(name, [2], [0.5 + i, 1.5 - i / 4])),
  },
  {
    name: 'GroupNormalization at 20',
    opset: 20,
    shape: [1, 4, 2, 2],
    node: node('GroupNormalization', { num_groups: 2 }, ['a', 'b']),
    initializers: [floatTensor('a', [2], [2, -1]), floatTensor('b', [2], [0.5, 1])],
  },
  {
    name: 'RoiAlign at 15',
    opset: 15,
    shape: [1, 2, 5, 5],
    node: node('RoiAlign', { output_height: 2, output_width: 2, sampling_ratio: 2 }, ['rois', 'batch']),
    initializers: [floatTensor('rois', [1, 4], [0.3, 0.6, 4.1, 3.2]), intTensor('batch', [0])],
  },
  {
    name: 'GridSample at 19',
    opset: 19,
    shape: [1, 1, 4, 4],
    node: node('GridSample', { mode: 'bicubic' }, ['g']),
    initializers: [floatTensor('g', [1, 1, 2, 2], [-0.3, 0.4, 0.8, -0.9])],
  },
  {
    name: 'Scatter at 10',
    opset: 10,
    shape: [2, 3],
    node: node('Scatter', {}, ['i', 'u']),
    initializers: [{ ...intTensor('i', [1, 0]), dims: [1n, 2n] }, floatTensor('u', [1, 2], [9, 8])],
  },
  { name: 'MaxPool at 9', opset: 9, shape: [1, 1, 3, 4], node: node('MaxPool', { kernel_shape: [2, 2] }) },
  {
    name: 'Gemm without C',
    opset: 11,
    shape: [2, 3],
    node: node('Gemm', { transB: 1 }, ['w']),
    initializers: [floatTensor('w', [1, 3], [1, 2, 3])],
  },
];

describe('normalizeOpset keeps what the file computes', () => {
  it.each(cases)('$name', async ({ before = [], node: tested, shape, ...spec }) => {
    const bytes = modelBytes({ ...spec, nodes: [...before, tested], inputs: [input('x', shape)] });
    const size = shape.reduce((product, dim) => product * dim, 1);
    const data = Float32Array.from({ length: size }, (_, i) => Math.sin(3 * i + 1) * 2);

    const original = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4 });
    const expected = await original.run({ x: new ort.Tensor('float32', data, shape) });

    const graph = await readOnnx(createGraph(), bytes, { source: 'test' });
    const session = await runSteps(Session.open(graph, requiredOpset(graph)));
    const actual = await runSteps(session.run({ x: { dtype: 'float32', dims: shape, data } }));
    await runSteps(session.dispose());

    for (const [name, tensor] of Object.entries(expected)) {
      expect(actual[name]?.dims).toEqual(tensor.dims);
      const values = Array.from(actual[name]?.data as Float32Array);
      Array.from(tensor.data as Float32Array).forEach((value, i) => void expect(values[i]).toBeCloseTo(value, 5));
    }
  });
});

it('a network with a Resize of opset 10 that grows one axis and shrinks the other computes what its file does', async () => {
  const bytes = new Uint8Array(readFileSync(new URL('../../fixtures/data/cases/resize10-mixed.onnx', import.meta.url)));
  const shape = [1, 3, 8, 8];
  const data = Float32Array.from({ length: 192 }, (_, i) => Math.sin(i));
  const original = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4 });
  const { y: expected } = await original.run({ x: new ort.Tensor('float32', data, shape) });
  const session = await runSteps(Session.open(await readOnnx(createGraph(), bytes, { source: 'test' }), 20));
  const { y } = await runSteps(session.run({ x: { dtype: 'float32', dims: shape, data } }));
  await runSteps(session.dispose());
  expect(y?.dims).toEqual(expected?.dims);
  // ONNX Runtime's optimisations, which differ, choose the kernels.
  const computed = numbersIn(y);
  const wanted = Array.from((expected as ort.Tensor).data as Float32Array);
  for (const [i, value] of wanted.entries()) expect(computed[i], `element ${i}`).toBeCloseTo(value, 6);
});

describe('normalizeOpset', () => {
  const read = (spec: Omit<ModelSpec, 'inputs'>) =>
    readOnnx(createGraph(), modelBytes({ ...spec, inputs: [input('x', [2, 3])] }), { source: 'model.onnx' });

  it('refuses operator sets before 7', async () => {
    await expect(read({ opset: 6, nodes: [node('Relu')] })).rejects.toThrow(/model\.onnx: opset 6 is too old/);
  });

  it('accepts newer operator sets', async () => {
    expect((await read({ opset: 25, nodes: [node('Relu')] })).nodes.map(({ op }) => op)).toEqual(['Relu']);
  });

  it('leaves current nodes as they are', async () => {
    const { nodes } = await read({ opset: 20, nodes: [node('Softmax', { axis: 0 })] });
    expect(nodes).toHaveLength(1);
    expect(nodes[0]?.attributes.axis).toEqual({ kind: 'int', value: 0 });
  });

  it('leaves nodes of other domains alone', async () => {
    const { nodes } = await read({
      opset: 11,
      nodes: [],
      more: {
        graph: {
          input: [input('x', [2])],
          output: [{ name: 'y' }],
          node: [
            { opType: 'Relu', input: ['x'], output: ['y'] },
            { opType: 'Softmax', domain: 'custom', input: ['x'], output: ['z'] },
          ],
        },
      },
    });
    expect(nodes.map(({ op, domain }) => [op, domain])).toEqual([
      ['Relu', ''],
      ['Softmax', 'custom'],
    ]);
  });

  it('drops the training outputs of old batch normalisations and refuses spatial=0', async () => {
    const weights = ['a', 'b', 'c', 'd'];
    const initializers = weights.map((name) => floatTensor(name, [3], [1, 1, 1]));
    for (const opset of [9, 13]) {
      const nodes = [node('BatchNormalization', {}, weights, ['y', 'm', 'v'])];
      expect((await read({ opset, nodes, initializers })).nodes[0]?.outputs).toHaveLength(1);
    }
    await expect(
      read({ opset: 7, nodes: [node('BatchNormalization', { spatial: 0 }, weights)], initializers }),
    ).rejects.toThrow(/spatial=0/);
  });

  it('rounds up in shrinking Resize nodes of opset 10 and names its constants after the node', async () => {
    const { nodes } = await read({ opset: 7, nodes: [node('Upsample', { scales: { floats: [0.5, 1] } })] });
    expect(nodes[0]?.op).toBe('Resize');
    expect(nodes[0]?.attributes.nearest_mode).toEqual({ kind: 'string', value: 'ceil' });
    const scales = nodes[0]?.inputs[2];
    expect(scales?.name).toBe('y:scales');
    expect(scales?.constant && numbersOf(scales.constant)).toEqual([0.5, 1]);
  });

  it("gives TensorFlow's nearest neighbours places that have a gradient, or refuses them", async () => {
    const resize = (attributes: object) =>
      read({ nodes: [node('Resize', { coordinate_transformation_mode: 'tf_half_pixel_for_nn', ...attributes })] });
    const { nodes } = await resize({ nearest_mode: 'floor' });
    expect(nodes[0]?.attributes).toMatchObject({
      coordinate_transformation_mode: { value: 'half_pixel' },
      nearest_mode: { value: 'round_prefer_ceil' },
    });
    await expect(resize({ nearest_mode: 'ceil' })).rejects.toThrow(/'ceil' has no counterpart in newer opsets/);
    await expect(resize({ mode: 'linear' })).rejects.toThrow(/no counterpart/);
  });

  it.each([
    ['RNN', 1],
    ['GRU', 3],
    ['LSTM', 4],
  ] as const)(
    'transposes around a %s that takes the batch first, which ONNX Runtime does not know',
    async (op, gates) => {
      const [batch, steps, width, hidden, directions] = [3, 2, 4, 5, 2];
      const values = (shape: number[], seed: number): number[] =>
        Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(seed + i * 0.7));
      const tensor = (name: string, shape: number[], seed: number) => floatTensor(name, shape, values(shape, seed));
      const weights = [
        tensor('w', [directions, gates * hidden, width], 1),
        tensor('r', [directions, gates * hidden, hidden], 2),
      ];
      const states = op === 'LSTM' ? ['h', 'c'] : ['h'];
      const returned = op === 'LSTM' ? ['y', 'yh', 'yc'] : ['y', 'yh'];
      const initial = states.map((name, i) => tensor(name, [batch, directions, hidden], 3 + i));
      const attributes = { hidden_size: hidden, direction: 'bidirectional' };
      const swap = (from: string, to: string, perm = [1, 0, 2]): NodeSpec => ['Transpose', [from], [to], { perm }];
      const whole = [
        swap('x', 'xt'),
        ...states.map((name) => swap(name, `${name}t`)),
        [
          op,
          ['xt', 'w', 'r', '', '', ...states.map((name) => `${name}t`)],
          returned.map((name) => `${name}t`),
          attributes,
        ],
        swap('yt', 'y', [2, 0, 1, 3]),
        ...returned.slice(1).map((name) => swap(`${name}t`, name)),
      ] as NodeSpec[];
      const short: NodeSpec[] = [[op, ['x', 'w', 'r', '', '', ...states], returned, { ...attributes, layout: 1 }]];
      const run = async (nodes: NodeSpec[]): Promise<number[][]> => {
        const spec = {
          opset: 14,
          nodes,
          inputs: [input('x', [batch, steps, width])],
          initializers: [...weights, ...initial],
        };
        const graph = await readOnnx(createGraph(), modelBytes({ ...spec, outputs: returned }), { source: 'test' });
        expect(new Set(graph.nodes.map(({ name }) => name)).size).toBe(graph.nodes.length);
        const session = await runSteps(Session.open(graph, 20));
        const data = Float32Array.from(values([batch, steps, width], 9));
        const results = await runSteps(session.run({ x: { dtype: 'float32', dims: [batch, steps, width], data } }));
        await runSteps(session.dispose());
        return returned.map((name) => [...(results[name]?.dims ?? []), ...numbersIn(results[name])]);
      };
      expect(await run(short)).toEqual(await run(whole));
    },
  );

  it('brings places in double precision to the type of the image, which ONNX Runtime wants', async () => {
    const places = [-0.3, 0.4, 0.8, -0.9];
    const shape = [1, 1, 3, 3];
    const run = async (grid: TensorProto): Promise<number[]> => {
      const nodes = [node('GridSample', {}, ['g'])];
      const bytes = modelBytes({ opset: 20, nodes, inputs: [input('x', shape)], initializers: [grid] });
      const session = await runSteps(Session.open(await readOnnx(createGraph(), bytes, { source: 'test' }), 20));
      const data = Float32Array.from({ length: 9 }, (_, i) => i * i);
      const { y } = await runSteps(session.run({ x: { dtype: 'float32', dims: shape, data } }));
      await runSteps(session.dispose());
      return Array.from(y?.data as Float32Array);
    };
    const single = floatTensor('g', [1, 1, 2, 2], places);
    const double = { ...single, dataType: ElementType.DOUBLE, floatData: [], doubleData: places };
    expect(await run(double)).toEqual(await run(single));
  });

  it('sets the producer of every output', async () => {
    const graph = await read({ opset: 11, nodes: [node('Softmax')] });
    for (const made of graph.nodes) for (const output of made.outputs) expect(output?.producer).toBe(made);
    expect(graph.outputs[0]?.producer?.op).toBe('Reshape');
  });
});
