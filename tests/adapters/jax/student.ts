/** One student twice – in our nn and in jax-js – and images for it. */
import { nn as jaxNn, lax, numpy as np } from '@jax-js/jax';
import { Generator, nn, type Tensor, type TensorLike } from '../../../src/index.js';

/** Height and width of all images. */
const SIDE = 32;

/** An image batch `[batch, 3, 32, 32]`, uniform in [0, 1). */
export function noise(batch: number, seed: number): TensorLike {
  const generator = new Generator(seed);
  const dims = [batch, 3, SIDE, SIDE];
  return { dims, data: Float32Array.from({ length: batch * 3 * SIDE * SIDE }, () => generator.uniform()) };
}

/** A host tensor as an array of jax-js. */
export const arrayOf = ({ data, dims }: TensorLike): np.Array =>
  np.array(Float32Array.from(data as ArrayLike<number>), { shape: [...dims] });

/** x + conv(relu(conv(x))). */
export class Student extends nn.Module {
  readonly first = new nn.Conv2d(3, 6, 3, { padding: 1 });
  readonly relu = new nn.ReLU();
  readonly second = new nn.Conv2d(6, 3, 3, { padding: 1 });

  override forward(x: Tensor): Tensor {
    return x.add(this.second.call(this.relu.call(this.first.call(x))));
  }
}

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
