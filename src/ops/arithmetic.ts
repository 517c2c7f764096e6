/** Elementwise arithmetic of two or more tensors, with NumPy broadcasting. */
import { broadcastShapes, isDifferentiable, type Tensor } from '../graph/index.js';
import { defineOp, type Gradient } from './define.js';
import { broadcast } from './helpers/infer.js';

/** y = a + b.  ∂a = dy, ∂b = dy */
export const Add = defineOp({ infer: broadcast, vjp: ({ dy }) => [() => dy, () => dy] });

/** y = a − b.  ∂a = dy, ∂b = −dy */
export const Sub = defineOp({ infer: broadcast, vjp: ({ dy }) => [() => dy, () => dy.neg()] });

/** y = a·b.  ∂a = dy·b, ∂b = dy·a; where b is a, ∂a = 2dy·a */
export const Mul = defineOp({
  infer: broadcast,
  vjp: ({ dy, node: { inputs } }, a, b) =>
    inputs[0] === inputs[1] ? [() => dy.mul(2).mul(a), null] : [() => dy.mul(b), () => dy.mul(a)],
});

/** y = a/b.  ∂a = dy/b, ∂b = −(dy/b)·y, whose quotient is the same */
export const Div = defineOp({
  infer: broadcast,
  vjp: ({ y, dy }, _a, b) => [() => dy.div(b), () => dy.div(b).mul(y).neg()],
});

/** y = a − b·⌊a/b⌋ (fmod: rounded towards zero).  ∂a = dy, ∂b = −dy·(a − y)/b */
export const Mod = defineOp({
  infer: broadcast,
  vjp: ({ y, dy }, a, b) => [() => dy, () => dy.mul(y.sub(a).div(b))],
});

/** y = aᵇ.  ∂a = dy·b·aᵇ⁻¹, and 0 where b = 0;  ∂b = dy·y·log a, and 0 where a = 0 and b ≥ 0 */
export const Pow = defineOp({
  infer: (_, base, exponent) => ({ dtype: base.dtype, shape: broadcastShapes(base.shape, exponent.shape) }),
  vjp: ({ y, dy }, base, exponent) => [
    baseGradient(y, dy, base, exponent),
    isDifferentiable(exponent.dtype) ? () => exponentGradient(y, dy, base, exponent) : null,
  ],
});

function baseGradient(y: Tensor, dy: Tensor, base: Tensor, exponent: Tensor): Gradient {
  const constant = exponent.size === 1 ? exponent.constantValues()?.[0] : undefined;
  if (constant !== undefined) return scalarPowerGradient(y, dy, base, constant);
  return () => {
    const power = exponent.cast(base.dtype);
    return power.equal(0).where(0, dy.mul(power).mul(base.pow(power.sub(1))));
  };
}

/** ∂a of aᵖ for a number p, in the cheapest form. */
function scalarPowerGradient(y: Tensor, dy: Tensor, base: Tensor, power: number): Gradient {
  if (power === 0) return null;
  if (power === 1) return () => dy;
  if (power === 2) return () => dy.mul(base).mul(2);
  if (power === 3) return () => dy.mul(base.square()).mul(3);
  if (power === 0.5) return () => dy.mul(0.5).div(y);
  if (power === -1) return () => dy.mul(y.square()).neg();
  return () => dy.mul(base.pow(power - 1)).mul(power);
}

function exponentGradient(y: Tensor, dy: Tensor, base: Tensor, exponent: Tensor): Tensor {
  const flat = base.equal(0).logicalAnd(exponent.greaterOrEqual(0));
  return flat.where(0, dy.mul(y).mul(base.log())).cast(exponent.dtype);
}

/** y = Σ xᵢ.  ∂xᵢ = dy */
export const Sum = defineOp({ infer: broadcast, vjp: ({ dy }, ...inputs) => inputs.map(() => () => dy) });

/** y = Σ xᵢ / n.  ∂xᵢ = dy/n */
export const Mean = defineOp({
  infer: broadcast,
  vjp: ({ dy }, ...inputs) => inputs.map(() => () => dy.div(inputs.length)),
});
