/** Unary mathematics, and the operators that hand their input through or only change its type. */
import { GlobalPercError, isDifferentiable, type Tensor, type TensorType } from '../graph/index.js';
import { constantNumber, defineOp, type Gradient, type InferContext, type OpDefinition } from './define.js';
import { requireRank } from './helpers/fits.js';
import { broadcastAs, dtypeNumbered, sameAsInput } from './helpers/infer.js';

/** An elementwise function of one input. */
const unary = (gradient: (x: Tensor, y: Tensor, dy: Tensor) => Tensor): OpDefinition =>
  defineOp({ infer: sameAsInput, vjp: ({ y, dy }, x) => [() => gradient(x, y, dy)] });

/** y = −x.  ∂x = −dy */
export const Neg = unary((_x, _y, dy) => dy.neg());

/** y = |x|.  ∂x = dy·sign x, and 0 at 0 */
export const Abs = unary((x, _y, dy) => dy.mul(x.sign()));

/** y = eˣ.  ∂x = dy·y */
export const Exp = unary((_x, y, dy) => dy.mul(y));

/** y = log x.  ∂x = dy/x */
export const Log = unary((x, _y, dy) => dy.div(x));

/** y = √x.  ∂x = dy/2y */
export const Sqrt = unary((_x, y, dy) => dy.mul(0.5).div(y));

/** y = erf x.  ∂x = dy·2/√π·e^(−x²) */
export const Erf = unary((x, _y, dy) =>
  dy.mul(
    x
      .square()
      .neg()
      .exp()
      .mul(2 / Math.sqrt(Math.PI)),
  ),
);

/** y = 1/x.  ∂x = −dy·y² */
export const Reciprocal = unary((_x, y, dy) => dy.mul(y.square()).neg());

/** y = sin x.  ∂x = dy·cos x */
export const Sin = unary((x, _y, dy) => dy.mul(x.cos()));

/** y = cos x.  ∂x = −dy·sin x */
export const Cos = unary((x, _y, dy) => dy.mul(x.sin()).neg());

/** y = tan x.  ∂x = dy·(1 + y²) */
export const Tan = unary((_x, y, dy) => dy.mul(y.square().add(1)));

/** y = arcsin x.  ∂x = dy/√(1 − x²) */
export const Asin = unary((x, _y, dy) => dy.div(x.square().subtractFrom(1).sqrt()));

/** y = arccos x.  ∂x = −dy/√(1 − x²) */
export const Acos = unary((x, _y, dy) => dy.div(x.square().subtractFrom(1).sqrt()).neg());

/** y = arctan x.  ∂x = dy/(1 + x²) */
export const Atan = unary((x, _y, dy) => dy.div(x.square().add(1)));

/** y = sinh x.  ∂x = dy·cosh x */
export const Sinh = unary((x, _y, dy) => dy.mul(x.unary('Cosh')));

/** y = cosh x.  ∂x = dy·sinh x */
export const Cosh = unary((x, _y, dy) => dy.mul(x.unary('Sinh')));

/** y = arsinh x.  ∂x = dy/√(x² + 1) */
export const Asinh = unary((x, _y, dy) => dy.div(x.square().add(1).sqrt()));

/** y = arcosh x.  ∂x = dy/√(x² − 1) */
export const Acosh = unary((x, _y, dy) => dy.div(x.square().sub(1).sqrt()));

/** y = artanh x.  ∂x = dy/(1 − x²) */
export const Atanh = unary((x, _y, dy) => dy.div(x.square().subtractFrom(1)));

/** y = ⌊x⌋ */
export const Floor = defineOp({ infer: sameAsInput });

/** y = ⌈x⌉ */
export const Ceil = defineOp({ infer: sameAsInput });

/** y = the integer next to x, halves to the even one */
export const Round = defineOp({ infer: sameAsInput });

/** y = −1, 0 or 1 */
export const Sign = defineOp({ infer: sameAsInput });

/** y = x is not a number */
export const IsNaN = defineOp({ infer: broadcastAs('bool') });

/** y = x is infinite */
export const IsInf = defineOp({ infer: broadcastAs('bool') });

/** y = x.  ∂x = dy */
export const Identity = unary((_x, _y, dy) => dy);

/** y = x, and a mask of ones: dropout in evaluation.  ∂x = dy */
export const Dropout = defineOp({ infer: dropoutTypes, vjp: ({ dy }) => [() => dy, null, null] });

function dropoutTypes(context: InferContext, x: Tensor, ratio?: Tensor, training?: Tensor): TensorType[] {
  requireRank('the ratio', ratio, 0);
  if (constantNumber(context, training, 'whether it trains')) {
    throw new GlobalPercError('Dropout is in training mode; export the model in evaluation mode', {
      code: 'unsupported-operator',
    });
  }
  return [
    { dtype: x.dtype, shape: x.shape },
    { dtype: 'bool', shape: x.shape },
  ];
}

/** y = x in the dtype `to`.  ∂x = dy in the dtype of x */
export const Cast = defineOp({
  infer: ({ attributes }, x) => ({ dtype: dtypeNumbered(attributes.int('to', 0)), shape: x.shape }),
  vjp: ({ dy }, x) => [castGradient(x, dy)],
});

/** y = x in the dtype of `like`.  ∂x = dy in the dtype of x */
export const CastLike = defineOp({
  infer: (_, x, like) => ({ dtype: like.dtype, shape: x.shape }),
  vjp: ({ dy }, x) => [castGradient(x, dy), null],
});

const castGradient = (x: Tensor, dy: Tensor): Gradient => (isDifferentiable(x.dtype) ? () => dy.cast(x.dtype) : null);
