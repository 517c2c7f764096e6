/** Activation functions. */
import type { AttributeReader, Tensor } from '../graph/index.js';
import { defineOp, type OpDefinition } from './define.js';
import { requireSpread } from './helpers/fits.js';
import { commonDtype, sameAsInput } from './helpers/infer.js';

interface Point {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly dy: Tensor;
  readonly attributes: AttributeReader;
}

/** An elementwise function of one input. */
const activation = (gradient: (point: Point) => Tensor): OpDefinition =>
  defineOp({
    infer: sameAsInput,
    vjp: ({ y, dy, attributes }, x) => [() => gradient({ x, y, dy, attributes })],
  });

/** y = tanh x.  ∂x = dy·(1 − y²) */
export const Tanh = activation(({ y, dy }) => dy.mul(y.square().subtractFrom(1)));

/** y = σ(x) = 1/(1 + e⁻ˣ).  ∂x = dy·y·(1 − y) */
export const Sigmoid = activation(({ y, dy }) => dy.mul(y).mul(y.subtractFrom(1)));

/** y = max(x, 0).  ∂x = dy where y > 0, else 0 */
export const Relu = activation(({ y, dy }) => y.greater(0).where(dy, 0));

/** y = x where x > 0, else α·x.  ∂x = dy where x > 0, else α·dy */
export const LeakyRelu = activation(({ x, dy, attributes }) =>
  x.greater(0).where(dy, dy.mul(attributes.float('alpha', 0.01))),
);

/** y = x where x > 0, else s·x.  ∂x = dy where x > 0, else s·dy;  ∂s = 0 where x > 0, else x·dy */
export const PRelu = defineOp({
  infer: (_, x, slope) => {
    requireSpread('the slope', slope, x.shape);
    return { dtype: commonDtype(x, slope), shape: x.shape };
  },
  vjp: ({ dy }, x, slope) => [() => x.greater(0).where(dy, dy.mul(slope)), () => x.greater(0).where(0, dy.mul(x))],
});

/** y = x where x > 0, else α·(eˣ − 1).  ∂x = dy where x > 0, else dy·(y + α) */
export const Elu = activation(({ x, y, dy, attributes }) =>
  x.greater(0).where(dy, dy.mul(y.add(attributes.float('alpha', 1)))),
);

/** y = γ·x where x > 0, else γ·α·(eˣ − 1).  ∂x = γ·dy where x > 0, else dy·(y + γ·α) */
export const Selu = activation(({ x, y, dy, attributes }) => {
  const alpha = attributes.float('alpha', 1.6732632423543772);
  const gamma = attributes.float('gamma', 1.0507009873554805);
  return x.greater(0).where(dy.mul(gamma), dy.mul(y.add(gamma * alpha)));
});

/** y = x where x > 0, else α·(e^(x/α) − 1).  ∂x = dy where x > 0, else dy·(y/α + 1) */
export const Celu = activation(({ x, y, dy, attributes }) =>
  x.greater(0).where(dy, dy.mul(y.div(attributes.float('alpha', 1)).add(1))),
);

/** y = log(1 + eˣ).  ∂x = dy·σ(x) */
export const Softplus = activation(({ x, dy }) => dy.mul(x.sigmoid()));

/** y = x/(1 + |x|).  ∂x = dy/(1 + |x|)² */
export const Softsign = activation(({ x, dy }) => dy.div(x.abs().add(1).square()));

/** y = min(max(α·x + β, 0), 1).  ∂x = α·dy where 0 < y < 1, else 0 */
export const HardSigmoid = activation(({ y, dy, attributes }) =>
  y
    .greater(0)
    .logicalAnd(y.less(1))
    .where(dy.mul(attributes.float('alpha', 0.2)), 0),
);

/** y = x·min(max(x/6 + ½, 0), 1).  ∂x = dy·(x/3 + ½) where −3 < x < 3, 0 below, dy above */
export const HardSwish = activation(({ x, dy }) => {
  const slope = x.div(3).add(0.5);
  return x.greater(-3).where(x.less(3).where(dy.mul(slope), dy), 0);
});

/** y = x·Φ(x), with Φ from erf or, approximately, from tanh.  ∂x = dy·(Φ(x) + x·Φ′(x)) */
export const Gelu = activation(({ x, dy, attributes }) =>
  dy.mul(attributes.string('approximate', 'none') === 'tanh' ? tanhGeluSlope(x) : geluSlope(x)),
);

/** ½·(1 + erf(x/√2)) + x·e^(−x²/2)/√(2π) */
function geluSlope(x: Tensor): Tensor {
  const cumulative = x.mul(Math.SQRT1_2).erf().add(1).mul(0.5);
  const density = x
    .square()
    .mul(-0.5)
    .exp()
    .div(Math.sqrt(2 * Math.PI));
  return cumulative.add(x.mul(density));
}

/** ½·(1 + t) + ½·x·(1 − t²)·u′, with t = tanh u, u = √(2/π)·(x + c·x³) */
function tanhGeluSlope(x: Tensor): Tensor {
  const cubic = 0.044715;
  const scale = Math.sqrt(2 / Math.PI);
  const squared = x.square();
  const t = squared.mul(cubic).add(1).mul(x).mul(scale).tanh();
  const slope = squared
    .mul(3 * cubic)
    .add(1)
    .mul(0.5 * scale);
  return t.add(1).mul(0.5).add(t.square().subtractFrom(1).mul(x).mul(slope));
}

/** y = x·t, with t = tanh(log(1 + eˣ)).  ∂x = dy·(t + x·σ(x)·(1 − t²)) */
export const Mish = activation(({ x, dy }) => {
  const t = x.unary('Softplus').tanh();
  return dy.mul(t.add(x.mul(x.sigmoid()).mul(t.square().subtractFrom(1))));
});

/** y = x where x > α, else 0.  ∂x = dy where x > α, else 0 */
export const ThresholdedRelu = activation(({ x, dy, attributes }) =>
  x.greater(attributes.float('alpha', 1)).where(dy, 0),
);

/** y = x − b where x > λ, x + b where x < −λ, else 0: Hardshrink (b = 0), Softshrink (b = λ).  ∂x = dy where |x| > λ, else 0 */
export const Shrink = activation(({ x, dy, attributes }) =>
  x.abs().greater(attributes.float('lambd', 0.5)).where(dy, 0),
);

/** y = x·s, with s = σ(α·x).  ∂x = dy·(s + α·y·(1 − s)) */
export const Swish: OpDefinition = {
  ...activation(({ x, y, dy, attributes }) => {
    const alpha = attributes.float('alpha', 1);
    const s = (alpha === 1 ? x : x.mul(alpha)).sigmoid();
    return dy.mul(s.add(y.mul(s.subtractFrom(1)).mul(alpha)));
  }),
  since: 24,
};
