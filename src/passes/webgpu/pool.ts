/** MaxPool's gradient without the places of maxima, which the provider does not give. */
import { AttributeReader, type Node, sizeOf, type Tensor, type Value } from '../../graph/index.js';
import { convolve, largeGradient } from '../../ops/helpers/convolution-gradients.js';
import { poolAxes } from '../../ops/helpers/pool-gradients.js';
import type { WindowAxis } from '../../ops/helpers/windows.js';
import { copyNode, type Rewrite } from '../transcribe.js';

/** A pool whose places of maxima are read: its input and output, in the new graph. */
interface Pool {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly axes: readonly WindowAxis[];
}

/** Rules for MaxPool, and for what puts a gradient back to its places. Places that are read by anything else stay. */
export function poolRules(): Rewrite[] {
  const pools = new Map<Value, Pool>();
  const poolOf = (node: Node, op: string): Pool | undefined =>
    node.op === op ? pools.get(flattened(node.inputs[1] as Value)) : undefined;
  const split: Rewrite = (node, inputs, target) => {
    const [x] = inputs;
    const [first, places] = node.outputs;
    if (node.op !== 'MaxPool' || places === undefined || x === undefined) return undefined;
    // The order of places, `storage_order`, is refused even where they are not asked for.
    const { storage_order: _, ...attributes } = node.attributes;
    const [y] = copyNode({ ...node, attributes, outputs: [first] }, inputs, target) as [Tensor];
    pools.set(places, { x, y, axes: poolAxes(new AttributeReader(attributes, () => node.op), x) });
    return [y, copyNode(node, inputs, target)[1] as Tensor];
  };
  const unpool: Rewrite = (node, [dy]) => {
    const pool = poolOf(node, 'MaxUnpool');
    const sameSize = pool && sizeOf(node.outputs[0]?.shape ?? []) === pool.x.size;
    return dy && sameSize ? [toFirstMaxima(dy, pool)] : undefined;
  };
  const scatter: Rewrite = (node, [zeros, , dy]) => {
    const pool = poolOf(node, 'ScatterElements');
    if (!pool || !dy || zeros?.size !== pool.x.size || !isZero(node.inputs[0])) return undefined;
    return [toFirstMaxima(dy.reshape(pool.y.shape), pool).reshape(node.outputs[0]?.shape ?? [])];
  };
  return [split, unpool, scatter];
}

/** What a value was before it was flattened. */
const flattened = (value: Value): Value =>
  value.producer?.op === 'Reshape' ? flattened(value.producer.inputs[0] as Value) : value;

function isZero(value: Value | undefined): boolean {
  if (value?.producer?.op === 'Expand') return isZero(value.producer.inputs[0]);
  return value?.constant?.bytes.every((byte) => byte === 0) ?? false;
}

/**
 * ∂x of y = MaxPool(x): dy at each window's first maximum. The elements of a window are told apart by a convolution with the
 * identity, [B·C, 1, …] → [B·C, K, …]; the first that equals the maximum has the highest rank; and the transposed convolution puts
 * dy back to where that element came from.
 */
function toFirstMaxima(dy: Tensor, { x, y, axes }: Pool): Tensor {
  const windows = { axes, group: 1 };
  const kernel = axes.map((axis) => axis.kernel);
  const count = sizeOf(kernel);
  const space = axes.map((axis) => axis.count);
  const alone = (image: Tensor): Tensor => image.reshape([-1, 1, ...image.shape.slice(2)]);
  const identity = x.constant(
    Array.from({ length: count ** 2 }, (_, i) => Number(i % (count + 1) === 0)),
    [count, 1, ...kernel],
  );
  const elements = convolve(alone(x), identity, windows);
  const isMaximum = elements.equal(alone(y)).cast(x.dtype);
  const rank = isMaximum.mul(x.constant(ranks(axes), [1, count, ...space]));
  const isFirst = rank.equal(rank.amax([1], true));
  const shares = isFirst.where(alone(dy), 0);
  return largeGradient(shares, identity, windows).reshape(x.shape);
}

/** For each element of a window (K) and each window: K for the first, 1 for the last; 0 for places in the padding. */
function ranks(axes: readonly WindowAxis[]): number[] {
  const count = sizeOf(axes.map((axis) => axis.kernel));
  const windows = sizeOf(axes.map((axis) => axis.count));
  return Array.from({ length: count * windows }, (_, i) => {
    const [element, window] = [Math.floor(i / windows), i % windows];
    return isInside(axes, element, window) ? count - element : 0;
  });
}

/** Whether an element of a window, both counted in row-major order, lies in the image. */
function isInside(axes: readonly WindowAxis[], element: number, window: number): boolean {
  let [k, o] = [element, window];
  return axes.toReversed().every((axis) => {
    const place = (o % axis.count) * axis.stride + (k % axis.kernel) * axis.dilation - axis.before;
    k = Math.floor(k / axis.kernel);
    o = Math.floor(o / axis.count);
    return place >= 0 && place < axis.size;
  });
}
