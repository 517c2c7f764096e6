/** Keras models with random weights, run by TensorFlow.js and as teachers. */
import * as tf from '@tensorflow/tfjs';
import { fromLayersModel } from '../../../src/adapters/tfjs/index.js';
import type { Model } from '../../../src/index.js';
import { requiredOpset } from '../../../src/ops/index.js';
import { runSteps, Session } from '../../../src/runtime/index.js';
import { numbersIn } from '../../support/run.js';

/** Weights anew from a normal distribution, variances above 0; the same at every run. */
export function randomize<Model extends tf.LayersModel>(model: Model, seed = 1): Model {
  for (const [i, variable] of model.weights.entries()) {
    const value = tf.randomNormal(variable.shape as number[], 0, 0.5, 'float32', seed + i);
    variable.write(variable.originalName.includes('variance') ? tf.add(tf.square(value), 0.5) : value);
  }
  return model;
}

/** Images [B, H, W, C], normally distributed. */
export const images = (shape: readonly number[], seed = 99): tf.Tensor4D =>
  tf.randomNormal([...shape] as [number, number, number, number], 0, 1, 'float32', seed);

export interface Numbers {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
}

/** A tensor in this library's order: [B, C, H, W] for rank 4. */
export const ours = (tensor: tf.Tensor): Numbers => {
  const ordered = tensor.rank === 4 ? tf.transpose(tensor, [0, 3, 1, 2]) : tensor;
  return { dims: ordered.shape, data: ordered.dataSync() };
};

/** The outputs of a teacher for images in Keras' order. */
export async function run(teacher: Model, x: tf.Tensor4D): Promise<Numbers[]> {
  const { dims, data } = ours(x);
  const feeds = { input: { dtype: 'float32', dims: [...dims], data: Float32Array.from(data) } } as const;
  const results = await runSteps(Session.runOnce(teacher.graph, requiredOpset(teacher.graph), feeds));
  return teacher.graph.outputs.map(({ name }) => ({
    dims: results[name]?.dims ?? [],
    data: numbersIn(results[name]),
  }));
}

/** Outputs of TensorFlow.js and of the teacher made of the same model. */
export async function both(model: tf.LayersModel, x: tf.Tensor4D) {
  const expected = [model.predict(x)].flat().map(ours);
  const teacher = await fromLayersModel(model);
  return { teacher, expected, actual: await run(teacher, x) };
}

/** Largest |a − b| relative to 1 or the largest |b|. @throws where shapes differ. */
export function largestError(actual: Numbers | undefined, expected: Numbers | undefined): number {
  if (`${actual?.dims}` !== `${expected?.dims}`) throw new Error(`got [${actual?.dims}], expected [${expected?.dims}]`);
  const wanted = Array.from(expected?.data ?? []);
  const scale = wanted.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
  const error = (value: number, i: number): number => Math.abs((actual?.data[i] ?? Number.NaN) - value) / scale;
  // A value that is no number is off by all.
  return wanted
    .map(error)
    .reduce((largest, each) => (each <= largest ? largest : Number.isNaN(each) ? Infinity : each), 0);
}
