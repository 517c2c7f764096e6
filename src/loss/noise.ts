/** Seeded noise for calibration. */
import { type Shape, sizeOf } from '../graph/index.js';
import type { TensorLike } from './tensor-like.js';

const SEED = 7;

/** Pairs of standard-normal tensors, the same at every call. */
export function normalPairs(shape: Shape, count: number): [TensorLike, TensorLike][] {
  const uniform = mulberry32(SEED);
  const normal = (): TensorLike => ({
    dims: shape,
    data: Float32Array.from({ length: sizeOf(shape) }, () => boxMuller(uniform)),
  });
  return Array.from({ length: count }, () => [normal(), normal()]);
}

/** Box–Muller transform: √(−2 ln u)·cos 2πv is standard normal for uniform u, v. */
const boxMuller = (uniform: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

/** The mulberry32 generator: uniform numbers in [0, 1) from a 32-bit state. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
