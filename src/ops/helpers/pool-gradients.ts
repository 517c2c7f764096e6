/** What the pools' gradients are made of. */
import { type AttributeReader, GlobalPercError, int, ints, type Tensor } from '../../graph/index.js';
import { contractAxis } from './separable.js';
import { exactAfter, extent, type WindowAxis, windowAxes } from './windows.js';

/** The windows of a pool node over its input. */
export function poolAxes(attributes: AttributeReader, x: Tensor): WindowAxis[] {
  const kernel = attributes.ints('kernel_shape');
  if (kernel === undefined)
    throw new GlobalPercError("a pool needs the attribute 'kernel_shape'", { code: 'invalid-model' });
  return windowAxes(attributes, x.shape, kernel, Number.NEGATIVE_INFINITY);
}

/** Where each window's first maximum lies: indices into the flattened input. */
export const maximumIndices = (x: Tensor, attributes: AttributeReader): Tensor =>
  x.graph.emit('MaxPool', [x], { ...attributes.all(), storage_order: int(0) }, { outputs: 2 })[1] as Tensor;

/** Adds each dy to the place its window's maximum came from, in a tensor like x. */
export function scatterToMaxima(dy: Tensor, indices: Tensor, x: Tensor, axes: readonly WindowAxis[]): Tensor {
  if (axes.every(tiles) && x.dtype === 'float32') return unpool(dy, indices, axes);
  const overlapping = axes.some((axis) => axis.stride < extent(axis));
  const zeros = x.graph.scalar(0, x.dtype).expand([x.size]);
  const inputs = [zeros, indices.reshape([-1]), dy.reshape([-1])];
  const reduction = { kind: 'string', value: overlapping ? 'add' : 'none' } as const;
  const [sums] = x.graph.emit('ScatterElements', inputs, { axis: int(0), reduction });
  return (sums as Tensor).reshape(x.shape);
}

/** Windows without overlap, gaps inside or a remainder: their sizes tell MaxUnpool the size of the axis. */
const tiles = (axis: WindowAxis): boolean =>
  axis.dilation === 1 && axis.stride >= axis.kernel && exactAfter(axis) === axis.after;

function unpool(dy: Tensor, indices: Tensor, axes: readonly WindowAxis[]): Tensor {
  const attributes = {
    kernel_shape: ints(axes.map((axis) => axis.kernel)),
    strides: ints(axes.map((axis) => axis.stride)),
    pads: ints([...axes.map((axis) => axis.before), ...axes.map((axis) => axis.after)]),
  };
  return dy.graph.emit('MaxUnpool', [dy, indices], attributes)[0] as Tensor;
}

/**
 * The mean over windows along one axis as a matrix [count, size]. A window over several axes is their product, also in
 * how many elements it divides by: those in the input, or with `includePadding` those in the padded input.
 */
export function averageMatrix(axis: WindowAxis, includePadding: boolean): Float64Array {
  const [first, last] = includePadding ? [-axis.before, axis.size + axis.after] : [0, axis.size];
  return windowMatrix(axis, (places) => 1 / places.filter((place) => place >= first && place < last).length);
}

/** Sums over windows along one axis as a matrix [count, size]. */
export const sumMatrix = (axis: WindowAxis): Float64Array => windowMatrix(axis, () => 1);

/** Each window's elements on the axis, all with the share that its places, padding among them, are given. */
function windowMatrix(axis: WindowAxis, shareOf: (places: readonly number[]) => number): Float64Array {
  const matrix = new Float64Array(axis.count * axis.size);
  for (let window = 0; window < axis.count; window += 1) {
    const start = window * axis.stride - axis.before;
    const places = Array.from({ length: axis.kernel }, (_, k) => start + k * axis.dilation);
    const share = shareOf(places);
    for (const place of places) if (place >= 0 && place < axis.size) matrix[window * axis.size + place] = share;
  }
  return matrix;
}

/** The gradient of sums over windows: dy spread along each axis by a matrix [count, size]. */
export const spreadOver = (
  dy: Tensor,
  axes: readonly WindowAxis[],
  matrixOf: (axis: WindowAxis) => Float64Array,
): Tensor => axes.reduce((sum, axis, i) => contractAxis(sum, i + 2, matrixOf(axis)), dy);

/**
 * ∂x of y = (Σ|x|ᵖ)^(1/p): sign x·|x|ᵖ⁻¹·Σ dy·y¹⁻ᵖ, the sum over the outputs that x is part of; 0 where y is 0.
 * @param spread adds up, for each element of x, what the outputs hold that it is part of.
 */
export function normGradient(x: Tensor, y: Tensor, dy: Tensor, p: number, spread: (dy: Tensor) => Tensor): Tensor {
  if (p === 1) return x.sign().mul(spread(dy));
  const shares = y.equal(0).where(
    0,
    dy.mul(
      y
        .equal(0)
        .where(1, y)
        .pow(1 - p),
    ),
  );
  return (p === 2 ? x : x.mul(x.abs().pow(p - 2))).mul(spread(shares));
}
