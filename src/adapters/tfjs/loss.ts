/** Losses of this library as loss functions of TensorFlow.js. */
import * as tf from '@tensorflow/tfjs';
import type { Loss, SynchronousLoss } from '../../index.js';
import { withRemedy } from '../remedy.js';
import { layoutRemedy, readSync, tensorOf } from './tensors.js';

/** A loss as TensorFlow.js calls it: for `model.compile({ loss })` and `optimizer.minimize(() => loss(yTrue, yPred))`. */
export interface TfLoss {
  /**
   * @param yTrue `[B, H, W, C]`, as tfjs lays images out; tensors of other ranks reach the model as they are. No gradient.
   * @param yPred the same; the gradient flows into it.
   * @returns the loss, shape `[]`.
   * @throws GlobalPercError where the shapes do not fit the model or each other, on NaN or infinite values, and after the
   * loss was disposed.
   */
  (yTrue: tf.Tensor, yPred: tf.Tensor): tf.Scalar;
  /** Frees the loss's sessions. */
  dispose(): Promise<void>;
}

/**
 * A loss of this library as a synchronous, differentiable function of TensorFlow.js. Each call blocks until ONNX Runtime, in
 * its own worker, has computed loss and gradient; a batch of a new size is compiled first. `tf.tidy` holds as for tfjs'
 * own losses.
 *
 * @example
 * const loss = await tfLoss(new GlobalPercLoss(model, config));
 * model.compile({ optimizer: 'adam', loss });          // was: loss: 'meanAbsoluteError'
 * optimizer.minimize(() => loss(yTrue, yPred));        // was: tf.losses.absoluteDifference(yTrue, yPred)
 *
 * @throws GlobalPercError where nothing may block: on a page's main thread, where `tfStep` trains, and in Web Workers of
 * pages without shared memory.
 */
export async function tfLoss(loss: Loss): Promise<TfLoss> {
  const synchronous = await loss.synchronous().catch((error) => {
    throw withRemedy(error, 'tfStep trains without blocking');
  });
  const call = (yTrue: tf.Tensor, yPred: tf.Tensor): tf.Scalar => tf.tidy(() => applied(synchronous, yTrue, yPred));
  return Object.assign(call, { dispose: () => loss.dispose() });
}

function applied({ valueAndGrad }: SynchronousLoss, yTrue: tf.Tensor, yPred: tf.Tensor): tf.Scalar {
  const differentiable = tf.customGrad((input, save) => {
    const prediction = input as tf.Tensor;
    try {
      const { value, grad } = valueAndGrad(readSync('yPred', prediction), readSync('yTrue', yTrue));
      (save as unknown as (tensors: tf.Tensor[]) => void)([tensorOf(grad)]);
      return { value: tf.scalar(value), gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => dy.mul(saved as tf.Tensor) };
    } catch (error) {
      throw withRemedy(error, layoutRemedy(prediction.shape));
    }
  });
  return differentiable(yPred) as tf.Scalar;
}
