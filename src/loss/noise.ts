/** Seeded noise for calibration. */
import { type Shape, sizeOf } from '../graph/index.js';
import type { TensorLike } from '../model/index.js';
import { Generator } from '../random/index.js';

const SEED = 7;

/** Pairs of standard-normal tensors, the same at every call. */
export function normalPairs(shape: Shape, count: number): [TensorLike, TensorLike][] {
  const generator = new Generator(SEED);
  const normal = (): TensorLike => ({
    dims: shape,
    data: Float32Array.from({ length: sizeOf(shape) }, () => generator.normal()),
  });
  return Array.from({ length: count }, () => [normal(), normal()]);
}
