import { type Check, refused } from '../options/index.js';

/** A concrete float32 tensor. */
export interface ImageTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** Checks that it is a tensor; what its data are is seen when they are read. */
export const requireTensor: Check<ImageTensor> = (value, where) => {
  if (Array.isArray(Object(value).dims) && 'data' in Object(value)) return value as ImageTensor;
  throw refused(where, 'a tensor { dims, data }', value, { code: 'invalid-argument' });
};
