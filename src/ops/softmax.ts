/** Softmax and its relatives along one axis. */
import type { Tensor } from '../graph/index.js';
import { defineOp, type VjpContext } from './define.js';
import { alongAxis } from './helpers/infer.js';

const axisSum = ({ attributes }: VjpContext, tensor: Tensor): Tensor => tensor.sum([attributes.int('axis', -1)], true);

/** y = eˣ/Σeˣ.  ∂x = (dy − Σ dy·y)·y */
export const Softmax = defineOp({
  infer: alongAxis(-1),
  vjp: (context) => [() => context.dy.sub(axisSum(context, context.dy.mul(context.y))).mul(context.y)],
});

/** y = x − log Σeˣ.  ∂x = dy − eʸ·Σdy */
export const LogSoftmax = defineOp({
  infer: alongAxis(-1),
  vjp: (context) => [() => context.dy.sub(context.y.exp().mul(axisSum(context, context.dy)))],
});

/** y = 1 at the first largest element, else 0 */
export const Hardmax = defineOp({ infer: alongAxis(-1) });
