/** Losses of this library as loss functions of TensorFlow.js. */
import * as tf from '@tensorflow/tfjs';
import { GlobalPercError, type InputValue, type Loss, type SynchronousLoss } from '../../index.js';
import { anything, type Checks, checkOptions } from '../../options/index.js';
import { withRemedy } from '../remedy.js';
import { requireLoss } from '../require-loss.js';
import { explained, readSync, requireNumbers, tensorOf } from './tensors.js';

/** What a call may say beside its images. */
export interface TfLossOptions {
  readonly mask?: tf.Tensor;
  /** Values of the model's further inputs that `loadModel` left open, by name, `{ data, dims }` as the model has them; a number fills the input. */
  readonly inputs?: Readonly<Record<string, InputValue>>;
}

const OPTIONS: Checks<TfLossOptions> = { mask: anything, inputs: anything };

/** A loss as TensorFlow.js calls it: for `model.compile({ loss })` and `optimizer.minimize(() => loss(yTrue, yPred))`. */
export interface TfLoss {
  /**
   * @param yTrue `[B, H, W, C]`, as tfjs lays images out; tensors of other ranks reach the model as they are. It is
   *   a constant: what is differentiated must not depend on it.
   * @param yPred the same; the gradient flows into it. There are no second derivatives.
   * @param options `mask`: where the loss looks, weights in [0, 1] `[B, H, W, 1]` or `[1, H, W, 1]`; `inputs`: values of the model's open inputs.
   * @returns the loss, shape `[]`.
   * @throws GlobalPercError where the shapes do not fit the model or each other, on NaN or infinite values, after the loss
   * was disposed, and where a derivative is asked for that there is none of.
   */
  (yTrue: tf.Tensor, yPred: tf.Tensor, options?: TfLossOptions): tf.Scalar;
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
 * @throws GlobalPercError where it is given no loss, and where nothing may block: on a page's main thread, where `tfStep`
 * trains, and in Web Workers of pages without shared memory.
 */
export async function tfLoss(loss: Loss): Promise<TfLoss> {
  requireLoss('tfLoss', loss);
  const synchronous = await loss.synchronous().catch((error) => {
    throw withRemedy(error, 'tfStep trains without blocking');
  });
  const call = (yTrue: tf.Tensor, yPred: tf.Tensor, options: TfLossOptions = {}): tf.Scalar =>
    tf.tidy(() => applied(synchronous, yTrue, yPred, options));
  return Object.assign(call, { dispose: () => loss.dispose() });
}

function applied(
  { valueAndGrad }: SynchronousLoss,
  yTrue: tf.Tensor,
  yPred: tf.Tensor,
  options: TfLossOptions,
): tf.Scalar {
  requireNumbers('yTrue', yTrue);
  requireNumbers('yPred', yPred);
  const { mask, inputs } = checkOptions(options, OPTIONS, 'tfLoss: options');
  if (mask) requireNumbers('mask', mask);
  const differentiable = tf.customGrad((input, save) => {
    const prediction = input as tf.Tensor;
    try {
      const images = [readSync('yPred', prediction), readSync('yTrue', yTrue)] as const;
      const { value, grad } = valueAndGrad(...images, {
        ...(inputs && { inputs }),
        ...(mask && { mask: readSync('mask', mask) }),
      });
      (save as unknown as (tensors: tf.Tensor[]) => void)([tensorOf(grad)]);
      const gradFunc = (dy: tf.Tensor, [saved]: tf.Tensor[]): tf.Tensor =>
        dy.mul(withoutDerivative(prediction, () => (saved as tf.Tensor).clone(), NO_SECOND));
      return { value: tf.scalar(value), gradFunc };
    } catch (error) {
      throw explained(error, yPred, yTrue);
    }
  });
  return tf.add(
    differentiable(yPred),
    withoutDerivative(yTrue, () => tf.scalar(0), NO_TARGET),
  );
}

const NO_SECOND =
  'second derivatives of this loss are not available: take its gradient outside of the function that is differentiated';
const NO_TARGET =
  'yTrue is a constant and takes no gradient: call loss(yTrue, yPred) in this order, or compute yTrue outside of the ' +
  'function that is differentiated';

/** A value that depends on a tensor in a way that is not known; without this, its derivative would silently be left out. */
function withoutDerivative(tensor: tf.Tensor, value: () => tf.Tensor, problem: string): tf.Tensor {
  const refuse = (): never => {
    throw new GlobalPercError(problem, { code: 'unsupported-operator' });
  };
  return tf.customGrad(() => ({ value: value(), gradFunc: refuse }))(tensor);
}
