/** Tensors of TensorFlow.js to and from host tensors: images are `[B, H, W, C]` there and `[B, C, H, W]` here. */
import * as tf from '@tensorflow/tfjs';
import { GlobalPercError, type TensorLike } from '../../index.js';
import { kindOf } from '../../options/index.js';
import { hasColoursOn, withLayoutRemedy } from '../remedy.js';

/** What messages of this library leave open. */
const ORDER = 'shapes and places are in the order [B, C, H, W] here, where TensorFlow.js has [B, H, W, C]';

/** Reads a tensor of numbers and blocks until it is there. @throws GlobalPercError where the backend cannot wait. */
export function readSync(name: string, tensor: tf.Tensor): TensorLike {
  return tf.tidy(() => {
    const ours = channelsFirst(tensor);
    try {
      return { dims: ours.shape, data: ours.dataSync() };
    } catch (error) {
      throw new GlobalPercError(
        `${name} cannot be read synchronously from the backend '${tf.getBackend()}' (${(error as Error).message}): ` +
          'train with tfStep, or on another backend',
        { code: 'runtime', cause: error },
      );
    }
  });
}

/** Reads a tensor of numbers without blocking. */
export async function read(tensor: tf.Tensor): Promise<TensorLike> {
  const ours = tf.tidy(() => channelsFirst(tensor));
  try {
    return { dims: ours.shape, data: await ours.data() };
  } finally {
    ours.dispose();
  }
}

/** A host tensor as TensorFlow.js lays it out. */
export const tensorOf = ({ dims, data }: TensorLike): tf.Tensor =>
  tf.tidy(() => channelsLast(tf.tensor(data as Float32Array, [...dims], 'float32')));

const channelsFirst = (tensor: tf.Tensor): tf.Tensor =>
  tensor.rank === 4 ? tf.transpose(tensor, [0, 3, 1, 2]) : tensor.clone();

const channelsLast = (tensor: tf.Tensor): tf.Tensor =>
  tensor.rank === 4 ? tf.transpose(tensor, [0, 2, 3, 1]) : tensor;

/** @throws GlobalPercError when a value is no tensor, or one that is disposed or not of numbers. */
export function requireNumbers(name: string, value: unknown): void {
  if (!(value instanceof tf.Tensor)) {
    throw new GlobalPercError(`${name} should be a tensor of TensorFlow.js, got ${kindOf(value)}`, {
      code: 'invalid-argument',
    });
  }
  if (value.isDisposed) {
    throw new GlobalPercError(`${name} was disposed before it could be read`, { code: 'disposed' });
  }
  if (value.dtype !== 'float32' && value.dtype !== 'int32') {
    const remedy = value.dtype === 'bool' ? ': use tensor.toFloat()' : '';
    throw new GlobalPercError(`${name} should be of numbers, got ${value.dtype}${remedy}`, {
      code: 'invalid-argument',
    });
  }
}

/** An error of a loss for who has these tensors: what to do about their layout, or how the message is to be read. */
export const explained = (error: unknown, ...tensors: tf.Tensor[]): unknown =>
  withLayoutRemedy(error, [...tensors.map(({ shape }) => layoutRemedy(shape)), ORDER]);

/** What to do about an image of another layout than `[B, H, W, C]`, if it looks like one. */
function layoutRemedy(shape: readonly number[]): string | undefined {
  if (shape.length === 3) return `[${shape}] has no batch axis: use tf.expandDims(image)`;
  if (hasColoursOn(1, 3, shape)) {
    return `[${shape}] looks like [B, C, H, W], where TensorFlow.js has [B, H, W, C]: use tf.transpose(image, [0, 2, 3, 1])`;
  }
  return shape.length === 4 ? undefined : `images are [B, H, W, C] in TensorFlow.js, got [${shape}]`;
}
