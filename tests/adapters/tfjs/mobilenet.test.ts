/** A pretrained model of npm: the MobileNetV2 that nsfwjs classifies images with (MIT), 224 × 224. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { load } from 'nsfwjs/core';
import { MobileNetV2Model } from 'nsfwjs/models/mobilenet_v2';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { fromLayersModel } from '../../../src/adapters/tfjs/index.js';
import { GlobalPercConfig, GlobalPercLoss, type Model, NormalizedTensorLoss } from '../../../src/index.js';
import { largestError, ours, run } from './keras.js';

const SHAPE = [2, 224, 224, 3] as const;
const photos = (seed: number): tf.Tensor4D =>
  tf.image.resizeBilinear(tf.randomUniform<tf.Rank.R4>([SHAPE[0], 14, 14, 3], 0, 1, 'float32', seed), [224, 224]);

let model: tf.LayersModel;
let teacher: Model;

beforeAll(async () => {
  vi.spyOn(console, 'info').mockImplementation(() => undefined);
  await tf.setBackend('wasm');
  const classifier = await load('MobileNetV2', { modelDefinitions: [MobileNetV2Model] });
  model = classifier.model as tf.LayersModel;
  const before = tf.memory().numTensors;
  teacher = await fromLayersModel(model);
  expect(tf.memory().numTensors).toBe(before);
});

afterAll(() => vi.restoreAllMocks());

it('has the modules of its 162 layers under their names', () => {
  const counts: Record<string, number> = {};
  for (const call of teacher.calls) counts[call.class] = (counts[call.class] ?? 0) + 1;
  expect(counts).toEqual({
    ...{ ZeroPad2d: 5, Conv2d: 52, BatchNorm2d: 52, ReLU6: 35, Add: 10, AvgPool2d: 1, Flatten: 1 },
    ...{ Linear: 3, ReLU: 2, Softmax: 1, Dense: 3 },
  });
  expect(teacher.calls.slice(0, 4).map(({ path }) => path)).toEqual(['Conv1_pad', 'Conv1', 'bn_Conv1', 'Conv1_relu']);
  const names = new Set(model.layers.map(({ name }) => name));
  expect(teacher.calls.filter(({ path }) => !names.has(path.split('.')[0] as string))).toEqual([]);
  expect(teacher.accepts).toBe('[batch, 3, 224, 224]');
});

it('gives what TensorFlow.js gives, at the end and along the way', async () => {
  const names = [
    'Conv1_relu',
    'block_3_depthwise',
    'block_6_project_BN',
    'block_12_add',
    'out_relu',
    'flatten_1',
    'dense_3',
  ];
  const outputs = names.map((name) => model.getLayer(name).output as tf.SymbolicTensor);
  const x = photos(1);
  const expected = (tf.model({ inputs: model.inputs, outputs }).predict(x) as tf.Tensor[]).map(ours);
  const declared = teacher.graph.outputs;
  teacher.graph.outputs = names.map(
    (name) => teacher.calls.find(({ path }) => path === name)?.output as (typeof declared)[0],
  );
  const actual = await run(teacher, x).finally(() => {
    teacher.graph.outputs = declared;
  });
  for (const [i, output] of expected.entries()) expect(largestError(actual[i], output), names[i]).toBeLessThan(1e-4);
  expect(largestError((await run(teacher, x))[0], expected.at(-1))).toBeLessThan(1e-4);
});

it('makes a loss whose gradient is that of central differences', async () => {
  const config = new GlobalPercConfig({
    modulesToHook: [/^block_\d+_add$/],
    lossFunc: new NormalizedTensorLoss('l2', 'mean', 'none'),
    printData: false,
  });
  await using loss = new GlobalPercLoss(teacher, config);
  const [pred, target] = [photos(1), photos(2)].map((x) => {
    const { dims, data } = ours(x);
    return { dims, data: Float32Array.from(data) };
  }) as [{ dims: number[]; data: Float32Array }, { dims: number[]; data: Float32Array }];
  const { value, grad, hooks } = await loss.valueAndGrad(pred, target);
  expect(hooks.map(({ path }) => path)).toEqual(
    [2, 4, 5, 7, 8, 9, 11, 12, 14, 15].map((block) => `block_${block}_add`),
  );
  expect(value).toBeGreaterThan(0);
  const slope = grad.data as Float32Array;
  const length = Math.sqrt(slope.reduce((sum, element) => sum + element ** 2, 0));
  await using encoded = await loss.encode(target);
  const along = (step: number): Promise<number> =>
    loss.evaluate({ ...pred, data: pred.data.map((x, i) => x + (step * (slope[i] as number)) / length) }, encoded);
  const step = 0.002; // Small, for the kinks of ReLU6.
  const measured = ((await along(step)) - (await along(-step))) / (2 * step);
  expect(Math.abs(measured - length) / length).toBeLessThan(0.01);
});
