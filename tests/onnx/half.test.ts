/** Files of half precision are read and computed as float32. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TensorProto_DataLocation as Location, TensorProto_DataType as T, type TensorProto } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { numbersOf, typedArray } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss, MSELoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { input, type ModelSpec, modelBytes, tensor } from './build.js';
import { read, withWeight } from './parse.js';

/** 1, −2, 0.5, 65504, the least subnormal, infinity. */
const HALVES = [0x3c00, 0xc000, 0x3800, 0x7bff, 0x0001, 0x7c00];
const VALUES = [1, -2, 0.5, 65504, 2 ** -24, Number.POSITIVE_INFINITY];

describe('weights', () => {
  const raw = new Uint8Array(Uint16Array.from(HALVES).buffer);
  it.each([
    ['float16 as integers', tensor('w', T.FLOAT16, [6], { int32Data: HALVES }), VALUES],
    ['float16 as bytes', tensor('w', T.FLOAT16, [2, 3], { rawData: raw }), VALUES],
    ['bfloat16', tensor('w', T.BFLOAT16, [3], { int32Data: [0x3f80, 0xc000, 0x3f00] }), [1, -2, 0.5]],
  ])('%s', async (_what, weight, values) => {
    const { nodes } = await read(withWeight(weight));
    const constant = nodes[0]?.inputs[0]?.constant;
    expect(constant?.dtype).toBe('float32');
    expect(constant && numbersOf(constant)).toEqual(values);
  });

  it('beside the model are widened when they are read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'globalperc-'));
    const halves = Uint16Array.from({ length: 256 * 256 }, (_, i) => HALVES[i % 3] as number);
    await writeFile(join(folder, 'weights'), new Uint8Array(halves.buffer));
    const place = { location: 'weights', offset: '0', length: String(halves.byteLength) };
    const externalData = Object.entries(place).map(([key, value]) => ({ key, value }));
    const weight = tensor('w.weight', T.FLOAT16, [256, 256], {
      dataLocation: Location.EXTERNAL,
      externalData,
    } as Partial<TensorProto>);
    const spec: ModelSpec = {
      inputs: [input('x', [1, 256], T.FLOAT16)],
      nodes: [['MatMul', ['x', 'w.weight'], ['y']]],
      initializers: [weight],
    };
    await writeFile(join(folder, 'model.onnx'), modelBytes(spec));
    const { graph } = await loadModel(join(folder, 'model.onnx'));
    const constant = graph.nodes[0]?.inputs[1]?.constant;
    expect(constant?.dtype).toBe('float32');
    expect([...(typedArray('float32', constant?.bytes ?? new Uint8Array()) as Float32Array).subarray(0, 4)]).toEqual([
      1, -2, 0.5, 1,
    ]);
    await rm(folder, { recursive: true });
  });
});

it('a model that computes in half precision gives the loss and gradient of the same in float32', async () => {
  const kernel = Array.from({ length: 12 }, (_, i) => HALVES[i % 3] as number);
  const model = (type: T, weight: TensorProto): ModelSpec => ({
    inputs: [input('x', ['n', 3, 'h', 'w'], T.FLOAT)],
    nodes: [
      ['Cast', ['x'], ['half'], { to: type }],
      ['Conv', ['half', 'conv.weight'], ['a']],
      ['Relu', ['a'], ['b']],
      ['Cast', ['b'], ['y'], { to: T.FLOAT }],
    ],
    initializers: [weight],
  });
  const values = kernel.map((bits) => VALUES[HALVES.indexOf(bits)] as number);
  const files = [
    model(T.FLOAT16, tensor('conv.weight', T.FLOAT16, [4, 3, 1, 1], { int32Data: kernel })),
    model(T.FLOAT, tensor('conv.weight', T.FLOAT, [4, 3, 1, 1], { floatData: values })),
  ];
  const image = (seed: number) => ({
    dims: [1, 3, 4, 4],
    data: Float32Array.from({ length: 48 }, (_, i) => Math.sin(seed * (i + 1)) ** 2),
  });
  const results = [];
  for (const file of files) {
    const loss = new GlobalPercLoss(
      await loadModel(modelBytes(file)),
      new GlobalPercConfig({ lossFunc: new MSELoss(), printData: false }),
    );
    const { value, grad } = await loss.valueAndGrad(image(1), image(2));
    results.push([value, ...grad.data]);
    await loss.dispose();
  }
  expect(results[0]).toEqual(results[1]);
});
