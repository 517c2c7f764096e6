/** Photographs as arrays of jax-js. */
import { numpy as np } from '@jax-js/jax';
import { photoPairs } from '../photos.mjs';

const arrayOf = ({ data, dims }) => np.array(data, { shape: [...dims] });

/** Endless pairs of batches `[batchSize, 3, side, side]`: at half the resolution, and as they were. */
export async function* batches(options) {
  for await (const { input, target } of await photoPairs(options)) yield [arrayOf(input), arrayOf(target)];
}
