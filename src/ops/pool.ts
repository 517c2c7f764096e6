/** Pooling: maximum and mean over windows, and over the whole image. */
import { int, type Tensor, type TensorType } from '../graph/index.js';
import { constantInts, defineOp, type InferContext } from './define.js';
import { requireRank, requireShape, requireThat } from './helpers/fits.js';
import {
  averageMatrix,
  maximumIndices,
  normGradient,
  poolAxes,
  scatterToMaxima,
  spreadOver,
  sumMatrix,
} from './helpers/pool-gradients.js';
import { windowSteps } from './helpers/windows.js';

const pooled = ({ attributes }: InferContext, x: Tensor): TensorType => ({
  dtype: x.dtype,
  shape: [x.dim(0), x.dim(1), ...poolAxes(attributes, x).map((axis) => axis.count)],
});

const onePixel = (_: InferContext, x: Tensor): TensorType => {
  requireRank('the input', x, 3, 4, 5);
  return { dtype: x.dtype, shape: x.shape.map((dim, i) => (i < 2 ? dim : 1)) };
};

/** y[o] = max of x over window o.  ∂x[i] = Σ dy[o] over the windows whose first maximum is i */
export const MaxPool = defineOp({
  infer: (context, x) => {
    const type = pooled(context, x);
    return [type, { dtype: 'int64', shape: type.shape }];
  },
  vjp: ({ attributes, outputs, dy }, x) => {
    const rowMajor = attributes.int('storage_order', 0) === 0;
    const known = rowMajor ? outputs[1] : undefined;
    return [() => scatterToMaxima(dy, known ?? maximumIndices(x, attributes), x, poolAxes(attributes, x))];
  },
});

/** y[indices[o]] = x[o], zero elsewhere.  ∂x = dy[indices] */
export const MaxUnpool = defineOp({
  infer: (context, x, indices, size) => {
    requireShape('the indices', indices, x.shape);
    const { attributes } = context;
    const steps = windowSteps(attributes, attributes.ints('kernel_shape') ?? []);
    const pads = attributes.ints('pads') ?? [];
    requireThat(x.rank === steps.length + 2, () => `a kernel of ${steps.length} axes does not fit [${x.shape}]`);
    const spatial = steps.map(({ kernel, stride }, i) => {
      const padding = (pads[i] ?? 0) + (pads[i + steps.length] ?? 0);
      return (x.dim(i + 2) - 1) * stride + kernel - padding;
    });
    const shape = constantInts(context, size, 'the output shape') ?? [x.dim(0), x.dim(1), ...spatial];
    return { dtype: x.dtype, shape };
  },
  vjp: ({ dy }, _, indices) => [() => dy.reshape([-1]).gather(indices, 0), null],
});

/** y[o] = mean of x over window o, a product of one matrix A per axis.  ∂x = Aᵀ·dy along each axis */
export const AveragePool = defineOp({
  infer: pooled,
  vjp: ({ attributes, dy }, x) => {
    const includePadding = attributes.int('count_include_pad', 0) === 1;
    return [() => spreadOver(dy, poolAxes(attributes, x), (axis) => averageMatrix(axis, includePadding))];
  },
});

/** y[o] = (Σ |x|ᵖ)^(1/p) over window o.  ∂x = sign x·|x|ᵖ⁻¹·Σ dy[o]·y[o]¹⁻ᵖ over the windows o that x is in, y = 0 left out */
export const LpPool = defineOp({
  infer: pooled,
  vjp: ({ attributes, y, dy }, x) => {
    const spread = (shares: Tensor): Tensor => spreadOver(shares, poolAxes(attributes, x), sumMatrix);
    return [() => normGradient(x, y, dy, attributes.int('p', 2), spread)];
  },
});

/** y = mean of x over space.  ∂x = dy/n */
export const GlobalAveragePool = defineOp({
  infer: onePixel,
  vjp: ({ y, dy }, x) => [() => dy.mul(y.size / x.size).expand(x.shape)],
});

/** y = (Σ |x|ᵖ)^(1/p) over space.  ∂x = dy·sign x·|x|ᵖ⁻¹·y¹⁻ᵖ, 0 where y = 0 */
export const GlobalLpPool = defineOp({
  infer: onePixel,
  vjp: ({ attributes, y, dy }, x) => [() => normGradient(x, y, dy, attributes.int('p', 2), (shares) => shares)],
});

/** y = max of x over space.  ∂x = dy at the first maximum, else 0 */
export const GlobalMaxPool = defineOp({
  infer: onePixel,
  vjp: ({ dy }, x) => {
    const atFirstMaximum = (): Tensor => {
      const flat = x.reshape([x.dim(0), x.dim(1), -1]);
      const [first] = x.graph.emit('ArgMax', [flat], { axis: int(2) });
      const places = x.graph.ints(Array.from({ length: flat.dim(2) }, (_, i) => i));
      return places
        .equal(first as Tensor)
        .where(dy.reshape([x.dim(0), x.dim(1), 1]), 0)
        .reshape(x.shape);
    };
    return [atFirstMaximum];
  },
});
