/** Reductions over axes, as of opset 18: axes are an optional input, none means all. */
import { normalizeAxis, type Shape, sizeOf, type Tensor } from '../graph/index.js';
import { constantInts, defineOp, type InferContext, type OpDefinition, type VjpContext } from './define.js';
import { requireThat } from './helpers/fits.js';

/** The reduced axes, in ascending order. */
function reducedAxes(context: InferContext, x: Tensor, axesInput: Tensor | undefined): number[] {
  const axes = constantInts(context, axesInput, 'axes') ?? [];
  if (axes.length === 0) return context.attributes.int('noop_with_empty_axes', 0) === 1 ? [] : x.shape.map((_, i) => i);
  requireThat(x.rank > 0, () => `a number has no axes [${axes}]`);
  return axes.map((axis) => normalizeAxis(axis, x.rank)).sort((a, b) => a - b);
}

/** The shape with the reduced axes kept as 1. */
const keptShape = (x: Tensor, axes: readonly number[]): Shape => x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim));

interface Reduction extends VjpContext {
  readonly x: Tensor;
  readonly axes: readonly number[];
  /** Number of elements that each output is made of. */
  readonly count: number;
}

/** A reduction from its gradient; `y` and `dy` arrive with the reduced axes kept as 1. */
const reduction = (derivative: (context: Reduction) => Tensor): OpDefinition =>
  defineOp({
    infer: (context, x, axesInput?: Tensor) => {
      const axes = reducedAxes(context, x, axesInput);
      const keep = context.attributes.int('keepdims', 1) === 1;
      return { dtype: x.dtype, shape: keep ? keptShape(x, axes) : x.shape.filter((_, i) => !axes.includes(i)) };
    },
    vjp: (context, x, axesInput?: Tensor) => {
      const axes = reducedAxes(context, x, axesInput);
      const shape = keptShape(x, axes);
      return [
        () =>
          derivative({
            ...context,
            x,
            axes,
            count: sizeOf(axes.map((axis) => x.dim(axis))),
            y: context.y.reshape(shape),
            dy: context.dy.reshape(shape),
          }).expand(x.shape),
        null,
      ];
    },
  });

/** y = Σ x.  ∂x = dy */
export const ReduceSum = reduction(({ dy }) => dy);

/** y = Σ x / n.  ∂x = dy/n */
export const ReduceMean = reduction(({ dy, count }) => dy.mul(1 / count));

/** The gradient goes to the extreme elements, in equal parts where several tie. */
const extreme = reduction(({ x, y, dy, axes }) => {
  const chosen = x.equal(y).cast(dy.dtype);
  return chosen.mul(dy.div(chosen.sum(axes, true)));
});

/** y = max x.  ∂x = dy/k at the k largest elements */
export const ReduceMax = extreme;

/** y = min x.  ∂x = dy/k at the k smallest elements */
export const ReduceMin = extreme;

/** y = Σ |x|.  ∂x = dy·sign x */
export const ReduceL1 = reduction(({ x, dy }) => dy.mul(x.sign()));

/** As far from 0 as a divisor may be on every provider. */
const VAST = 2 ** 126;

/** y = √Σx².  ∂x = x·(dy/y), 0 where y = 0: x is 0 there, or so small that its squares are, and its product with dy/2¹²⁶ is 0 in float32 */
export const ReduceL2 = reduction(({ x, y, dy }) => x.mul(dy.div(y.equal(0).where(VAST, y))));

/** y = Σ x².  ∂x = 2x·dy */
export const ReduceSumSquare = reduction(({ x, dy }) => x.mul(dy.mul(2)));

/** y = ln Σ x.  ∂x = dy/eʸ */
export const ReduceLogSum = reduction(({ y, dy }) => dy.div(y.exp()));

/** y = ln Σ eˣ.  ∂x = dy·e^(x − y) */
export const ReduceLogSumExp = reduction(({ x, y, dy }) => dy.mul(x.sub(y).exp()));

/**
 * y = Π x.  ∂xᵢ = dy·Π_{j≠i} xⱼ: y/xᵢ without zeros; with exactly one zero only that element has a gradient, the
 * product of the others; with more, none has.
 */
export const ReduceProd = reduction(({ x, dy, axes }) => {
  if (axes.length === 0) return dy;
  const { graph } = x;
  const zero = x.equal(0);
  const zeros = zero.cast(x.dtype).sum(axes, true);
  const product = graph.emit('ReduceProd', [zero.where(1, x), graph.ints(axes)])[0] as Tensor;
  const others = zero.where(product, product.div(zero.where(1, x)));
  const remaining = zeros.sub(zero.cast(x.dtype));
  return remaining.equal(0).where(dy.mul(others), 0);
});

/** The position of an extreme element along one axis. */
const position = defineOp({
  infer: ({ attributes }, x) => {
    const axis = normalizeAxis(attributes.int('axis', 0), x.rank);
    const keep = attributes.int('keepdims', 1) === 1;
    return { dtype: 'int64', shape: x.shape.flatMap((dim, i) => (i !== axis ? [dim] : keep ? [1] : [])) };
  },
});
export const ArgMax = position;
export const ArgMin = position;
