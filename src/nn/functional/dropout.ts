/** Random omission, drawn anew at each run. */
import { int, ints, type Shape, type Tensor } from '../../graph/index.js';
import { probability } from '../sizes.js';

/** True with probability 1 − p, in a shape that broadcasts to that of x. */
function kept(x: Tensor, shape: Shape, p: number): Tensor {
  const [uniform] = x.graph.emit('RandomUniform', [], { shape: ints(shape), dtype: int(1) }) as [Tensor];
  return uniform.greaterOrEqual(p);
}

/** 0 with probability p, else x/(1 − p); one draw for each element of `shape`. */
function dropped(x: Tensor, shape: Shape, p: number, where: string): Tensor {
  probability(p, `${where}: p`);
  if (p === 0) return x;
  return p === 1 ? x.zerosLike() : kept(x, shape, p).where(x.mul(1 / (1 - p)), 0);
}

/**
 * 0 with probability p, else x/(1 − p)
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html).
 * @throws GlobalPercError when p is outside [0, 1].
 */
export const dropout = (x: Tensor, p = 0.5): Tensor => dropped(x, x.shape, p, 'dropout');

/** As dropout, by whole channels of `[B, C, …]`. */
const channelDropout =
  (name: string) =>
  (x: Tensor, p = 0.5): Tensor =>
    dropped(
      x,
      x.shape.map((size, axis) => (axis < 2 ? size : 1)),
      p,
      name,
    );

/** As dropout, by whole channels of `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.functional.dropout1d.html). */
export const dropout1d = channelDropout('dropout1d');
/** As dropout, by whole channels of `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.functional.dropout2d.html). */
export const dropout2d = channelDropout('dropout2d');
/** As dropout, by whole channels of `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.functional.dropout3d.html). */
export const dropout3d = channelDropout('dropout3d');

/** What SELU tends to for small values, negated: γ·α. */
const SATURATION = 1.0507009873554805 * 1.6732632423543772;

/**
 * a·y + b, y being x or, with probability p, −γ·α, where SELU saturates; a = ((1 − p)·(1 + p·(γα)²))^−½ and b = a·p·γα
 * keep mean 0 and variance 1 (https://pytorch.org/docs/stable/generated/torch.nn.functional.alpha_dropout.html).
 * @throws GlobalPercError when p is outside [0, 1].
 */
export function alphaDropout(x: Tensor, p = 0.5): Tensor {
  probability(p, 'alphaDropout: p');
  if (p === 0) return x;
  if (p === 1) return x.zerosLike();
  const a = 1 / Math.sqrt((1 - p) * (1 + p * SATURATION ** 2));
  return kept(x, x.shape, p)
    .where(x, -SATURATION)
    .mul(a)
    .add(a * p * SATURATION);
}
