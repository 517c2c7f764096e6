/** The student of our nn once more in jax-js. */
import { nn as jaxNn, lax, numpy as np } from '@jax-js/jax';
import type { TensorLike } from '../../../src/index.js';
import type { Student } from '../student.js';

/** A host tensor as an array of jax-js. */
export const arrayOf = ({ data, dims }: TensorLike): np.Array =>
  np.array(Float32Array.from(data as ArrayLike<number>), { shape: [...dims] });

export type Params = Record<'first.weight' | 'first.bias' | 'second.weight' | 'second.bias', np.Array>;

/** The weights of a `Student`, for `student`. */
export const paramsOf = (module: Student): Params =>
  Object.fromEntries(Object.entries(module.stateDict()).map(([name, tensor]) => [name, arrayOf(tensor)])) as Params;

const conv = (x: np.Array, weight: np.Array, bias: np.Array): np.Array =>
  lax.conv(x, weight, [1, 1], 'SAME').add(bias.reshape([1, -1, 1, 1]));

/** `Student` in jax-js. */
export function student(params: Params, x: np.Array): np.Array {
  const hidden = jaxNn.relu(conv(x.ref, params['first.weight'], params['first.bias']));
  return conv(hidden, params['second.weight'], params['second.bias']).add(x);
}
