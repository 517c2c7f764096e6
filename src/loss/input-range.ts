/** What a caller's tensors hold, and how it becomes what transforms and models take: images in [0, 1]. */
import type { Tensor } from '../graph/index.js';
import type { TensorLike } from '../model/index.js';
import { type Check, refused } from '../options/index.js';

/** The values of black and white in a caller's tensors. */
export type InputRange = readonly [0, 1] | readonly [-1, 1] | readonly [0, 255];

export const INPUT_RANGES: readonly InputRange[] = [
  [0, 1],
  [-1, 1],
  [0, 255],
];

/** `[-1, 1]` */
export const describeRange = (range: InputRange): string => `[${range.join(', ')}]`;

/** Checks a range. */
export const inputRange: Check<InputRange> = (value, where) => {
  const found = INPUT_RANGES.find(
    (range) => Array.isArray(value) && value.length === 2 && value.every((side, i) => side === range[i]),
  );
  if (found) return found;
  throw refused(where, 'one of [0, 1], [-1, 1] and [0, 255]', value);
};

/** (x − low)/(high − low) */
export function toUnitRange(image: Tensor, [low, high]: InputRange = [0, 1]): Tensor {
  if (low === 0 && high === 1) return image;
  return (low === 0 ? image : image.sub(low)).mul(1 / (high - low));
}

/** low + x·(high − low), what `toUnitRange` makes x of. */
export function fromUnitRange({ dims, data }: TensorLike, [low, high]: InputRange = [0, 1]): TensorLike {
  return { dims, data: Float32Array.from(data as ArrayLike<number>, (value) => low + value * (high - low)) };
}
