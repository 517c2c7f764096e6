/** Derivatives that a loss has, and those that it refuses instead of leaving them out. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type TfLoss, tfLoss } from '../../../src/adapters/tfjs/index.js';
import { GlobalPercError } from '../../../src/index.js';
import { relativeError } from '../../support/run.js';
import { noise, perceptual } from '../student.js';
import { imageOf } from './student.js';

let loss: TfLoss;
let [x, y]: tf.Tensor[] = [];
beforeAll(async () => {
  await tf.setBackend('cpu');
  loss = await tfLoss(await perceptual('vgg.dynamo'));
  [x, y] = [imageOf(noise(1, 1)), imageOf(noise(1, 2))];
  return () => loss.dispose();
});

const gradient = (p: tf.Tensor): tf.Tensor => tf.grad((q: tf.Tensor) => loss(y as tf.Tensor, q))(p);

const REFUSED: Readonly<Record<string, [() => unknown, RegExp]>> = {
  'a gradient penalty': [
    () => tf.grad((p: tf.Tensor) => gradient(p).square().sum())(x as tf.Tensor),
    /^second derivatives of this loss are not available: take its gradient outside/,
  ],
  'a gradient multiplied by the prediction': [
    () => tf.grad((p: tf.Tensor) => gradient(p).mul(p).sum())(x as tf.Tensor),
    /^second derivatives/,
  ],
  'the gradient of the target': [
    () => tf.grad((target: tf.Tensor) => loss(target, x as tf.Tensor))(y as tf.Tensor),
    /^yTrue is a constant and takes no gradient: call loss\(yTrue, yPred\) in this order/,
  ],
  'arguments in the other order, in a sum': [
    () => {
      const variable = tf.variable(x as tf.Tensor);
      return tf.train
        .sgd(1)
        .minimize(() => loss(variable, y as tf.Tensor).add(tf.losses.absoluteDifference(y as tf.Tensor, variable)));
    },
    /^yTrue is a constant/,
  ],
};

describe('is refused with a line:', () => {
  it.each(Object.keys(REFUSED))('%s', (name) => {
    const [call, message] = REFUSED[name] as [() => unknown, RegExp];
    expect(call).toThrow(GlobalPercError);
    expect(call).toThrow(message);
  });
});

it('is differentiated by what it is multiplied with, also through its own gradient', () => {
  const [pred, target] = [x as tf.Tensor, y as tf.Tensor];
  const factor = tf.scalar(2);
  const scaled = tf.grad((f: tf.Tensor) =>
    tf
      .grad((q: tf.Tensor) => loss(target, q).mul(f))(pred)
      .sum(),
  )(factor);
  expect(relativeError(scaled.dataSync(), gradient(pred).sum().dataSync())).toBeLessThan(1e-5);
});
