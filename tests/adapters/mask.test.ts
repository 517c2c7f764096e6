/** Masks and samples in the loops of other frameworks: what the loss itself gives. */
import { numpy as np } from '@jax-js/jax';
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { jaxLoss } from '../../src/adapters/jax/index.js';
import { tfLoss } from '../../src/adapters/tfjs/index.js';
import { nn, type TensorLike } from '../../src/index.js';
import { relativeError } from '../support/run.js';
import { noise, perceptual } from './student.js';

const [pred, target] = [noise(2, 1), noise(2, 2)];
const area = pred.data.length / 6;
const side = pred.dims[2] as number;
const mask = { dims: [1, 1, side, side], data: Float32Array.from({ length: area }, (_, i) => (i % 3) / 2) };

it('TensorFlow.js', async () => {
  await tf.setBackend('cpu');
  const l1 = new nn.L1Loss();
  const { value, grad } = await l1.valueAndGrad(pred, target, { mask });
  const loss = await tfLoss(l1);
  const last = ({ dims, data }: TensorLike) => tf.transpose(tf.tensor(data as Float32Array, [...dims]), [0, 2, 3, 1]);
  const [yTrue, yPred, weights] = [last(target), last(pred), last(mask)];
  const { value: ours, grad: gradient } = tf.valueAndGrad((x: tf.Tensor) => loss(yTrue, x, { mask: weights }))(yPred);
  expect(relativeError(await ours.data(), [value])).toBeLessThan(1e-6);
  expect(relativeError(await tf.transpose(gradient, [0, 3, 1, 2]).data(), grad.data)).toBeLessThan(1e-6);
  expect(() => loss(yTrue, yPred, { mask: tf.zeros([2, 3, side, side]) })).toThrow(/mask should have the shape/);
  await loss.dispose();
});

it('jax-js', async () => {
  await using loss = await perceptual('vgg.dynamo', { modulesToHook: [nn.Conv2d] });
  const { value, grad, samples } = await loss.valueAndGrad(pred, target, { mask });
  const array = ({ dims, data }: TensorLike) => np.array(data as Float32Array<ArrayBuffer>, { shape: [...dims] });
  const weights = array(mask);
  const ours = await jaxLoss(loss)(array(pred), array(target), { mask: weights });
  expect(relativeError([ours.value.item()], [value])).toBeLessThan(1e-6);
  expect(relativeError(await ours.grad.data(), grad.data)).toBeLessThan(1e-6);
  expect(ours.samples).toEqual(samples);
  expect(weights.refCount).toBe(0);
});
