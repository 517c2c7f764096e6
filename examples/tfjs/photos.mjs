/** Photographs as tensors of TensorFlow.js. */
import * as tf from '@tensorflow/tfjs';
import { photoPairs } from '../photos.mjs';

const tensorOf = ({ data, dims }) => tf.tidy(() => tf.transpose(tf.tensor(data, [...dims]), [0, 2, 3, 1]));

/** One pair of tensors `[batchSize, side, side, 3]`: at half the resolution, and as they were. */
export async function photos(options) {
  for await (const { input, target } of await photoPairs(options)) return [tensorOf(input), tensorOf(target)];
}
