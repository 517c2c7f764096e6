/**
 * Training steps of TensorFlow.js that wait for a loss instead of blocking: what a page's main thread needs. The gradients
 * of tfjs are synchronous, so a step runs the model twice: once to know its output, and, when the loss has answered, once
 * more under the tape, with the loss's gradient as the cotangent.
 */
import type * as tf from '@tensorflow/tfjs';
import { GlobalPercError, type Loss } from '../../index.js';
import { kindOf } from '../../options/index.js';
import { requireLoss } from '../require-loss.js';
import type { TfLossOptions } from './loss.js';
import { Student } from './student.js';
import { explained, read, requireNumbers, tensorOf } from './tensors.js';

/** One step on one batch; `options.inputs` are values of what the loss's model leaves open. @returns the loss before the step, without the penalties of the model's regularizers. */
export type TfStep = (
  model: tf.LayersModel,
  optimizer: tf.Optimizer,
  x: tf.Tensor | tf.Tensor[],
  y: tf.Tensor,
  options?: Pick<TfLossOptions, 'inputs'>,
) => Promise<number>;

/**
 * A training step with a loss of this library: model in training mode, loss, gradients of the trainable weights,
 * regularizers, one update by the optimizer. Dropout and noise draw the same in both runs, and batch statistics move
 * once. The loss stays the caller's, to be disposed when training is over.
 *
 * @example
 * const step = tfStep(new GlobalPercLoss(teacher, config));
 * const value = await step(model, tf.train.adam(1e-3), x, y);   // was: await model.trainOnBatch(x, y)
 *
 * @throws GlobalPercError where it is given no loss; a step (the promise rejects, the model is as before) where an
 * argument is missing or another, where the shapes do not fit the teacher or each other, on NaN or infinite values, after
 * the loss was disposed, and where the two runs of the model differ.
 */
export function tfStep(loss: Loss): TfStep {
  requireLoss('tfStep', loss);
  return async (model, optimizer, x, y, options = {}) => {
    requireArguments(model, optimizer, x, y);
    const student = new Student(model, x);
    try {
      const { value, cotangent } = await gradientOf(loss, student.predict(), y, options);
      await student.update(optimizer, cotangent).finally(() => cotangent.dispose());
      return value;
    } finally {
      student.dispose();
    }
  };
}

/** @throws GlobalPercError naming the first that is not what a step takes. */
function requireArguments(model: unknown, optimizer: unknown, x: unknown, y: unknown): void {
  if (!Array.isArray((model as Partial<tf.LayersModel> | undefined)?.layers)) {
    throw new GlobalPercError(`model should be one of Keras layers, got ${kindOf(model)}`, {
      code: 'invalid-argument',
    });
  }
  if (typeof (optimizer as Partial<tf.Optimizer> | undefined)?.computeGradients !== 'function') {
    throw new GlobalPercError(`optimizer should be one such as tf.train.adam(1e-3), got ${kindOf(optimizer)}`, {
      code: 'invalid-argument',
    });
  }
  for (const input of [x].flat()) requireNumbers('x', input);
  requireNumbers('y', y);
}

async function gradientOf(
  loss: Loss,
  output: tf.Tensor,
  y: tf.Tensor,
  { inputs }: Pick<TfLossOptions, 'inputs'>,
): Promise<{ value: number; cotangent: tf.Tensor }> {
  requireNumbers("the model's output", output);
  try {
    const target = await read(y);
    const { value, grad } = await loss.valueAndGrad(await read(output), target, inputs && { inputs });
    return { value, cotangent: tensorOf(grad) };
  } catch (error) {
    throw explained(error, output, y);
  }
}
