/** Elementwise arithmetic of two or more tensors, with NumPy broadcasting. */
import { defineOp } from './define.js';
import { broadcast } from './infer.js';

/** y = a + b.  ∂a = dy, ∂b = dy */
export const Add = defineOp({ infer: broadcast, vjp: ({ dy }) => [() => dy, () => dy] });

/** y = a − b.  ∂a = dy, ∂b = −dy */
export const Sub = defineOp({ infer: broadcast, vjp: ({ dy }) => [() => dy, () => dy.neg()] });

/** y = a·b.  ∂a = dy·b, ∂b = dy·a */
export const Mul = defineOp({ infer: broadcast, vjp: ({ dy }, a, b) => [() => dy.mul(b), () => dy.mul(a)] });

/** y = a/b.  ∂a = dy/b, ∂b = −dy·y/b */
export const Div = defineOp({
  infer: broadcast,
  vjp: ({ y, dy }, _a, b) => [() => dy.div(b), () => dy.mul(y).div(b).neg()],
});
