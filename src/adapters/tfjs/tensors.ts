/** Tensors of TensorFlow.js to and from host tensors: images are `[B, H, W, C]` there and `[B, C, H, W]` here. */
import * as tf from '@tensorflow/tfjs';
import { GlobalPercError, type TensorLike } from '../../index.js';
import { hasColoursOn } from '../remedy.js';

/** Reads a tensor and waits for it. @throws GlobalPercError when it is none, or not of numbers. */
export function readSync(name: string, tensor: tf.Tensor): TensorLike {
  requireNumbers(name, tensor);
  return tf.tidy(() => {
    const ours = channelsFirst(tensor);
    try {
      return { dims: ours.shape, data: ours.dataSync() };
    } catch (error) {
      throw new GlobalPercError(
        `${name} cannot be read synchronously from the backend '${tf.getBackend()}' (${(error as Error).message}): ` +
          'train with tfStep, or on another backend',
      );
    }
  });
}

/** Reads a tensor. @throws GlobalPercError when it is none, or not of numbers. */
export async function read(name: string, tensor: tf.Tensor): Promise<TensorLike> {
  requireNumbers(name, tensor);
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

function requireNumbers(name: string, value: unknown): void {
  if (!(value instanceof tf.Tensor)) {
    const found =
      value === null || typeof value !== 'object' ? String(value) : `an object of class ${value.constructor?.name}`;
    throw new GlobalPercError(`${name} should be a tensor of TensorFlow.js, got ${found}`);
  }
  if (value.isDisposed) throw new GlobalPercError(`${name} was disposed before the loss could read it`);
  if (value.dtype !== 'float32' && value.dtype !== 'int32') {
    throw new GlobalPercError(`${name} should be of numbers, got ${value.dtype}: use tensor.toFloat()`);
  }
}

/** What to do about an image of another layout than `[B, H, W, C]`, if it looks like one. */
export function layoutRemedy(shape: readonly number[]): string | undefined {
  if (shape.length === 3) return `[${shape}] has no batch axis: use tf.expandDims(image)`;
  if (hasColoursOn(1, 3, shape)) {
    return `[${shape}] looks like [B, C, H, W], where TensorFlow.js has [B, H, W, C]: use tf.transpose(image, [0, 2, 3, 1])`;
  }
  return shape.length === 4 ? undefined : `images are [B, H, W, C] in TensorFlow.js, got [${shape}]`;
}
