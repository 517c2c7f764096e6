/**
 * What ONNX Runtime's WebGPU provider takes for its own and does not compute, or computes wrongly (seen in 1.30), and what is
 * done about it. An operator that it does not take at all runs on the CPU by itself.
 */
import {
  AttributeReader,
  type Node,
  normalizeAxis,
  numbersOf,
  sizeOf,
  type Tensor,
  type Value,
} from '../graph/index.js';
import { convolve, largeGradient } from '../ops/helpers/convolution-gradients.js';
import { poolAxes } from '../ops/helpers/pool-gradients.js';
import type { WindowAxis } from '../ops/helpers/windows.js';
import { copyNode, type Rewrite } from './transcribe.js';

const readerOf = (node: Node): AttributeReader => new AttributeReader(node.attributes, () => node.op);

const rankOf = (node: Node): number => node.inputs[0]?.shape?.length ?? 0;

/** Dimensions of an image with three spatial axes. */
const VOLUME = 5;

/** By operator: whether a node of it has to be kept on the CPU. */
const ON_CPU: Readonly<Record<string, (node: Node) => boolean>> = {
  // "The Indices output is not supported yet."
  MaxPool: ({ outputs }) => outputs[1] !== undefined,
  // "Conv3D does not support grouped convolution."
  Conv: (node) => rankOf(node) === VOLUME && readerOf(node).int('group', 1) > 1,
  // "Only Conv2d or Conv1d are supported."; and groups of several channels with strides give wrong numbers.
  ConvTranspose: (node) => rankOf(node) === VOLUME || readerOf(node).int('group', 1) > 1,
  // Wrong numbers for a dimension that one operand has as 1.
  Einsum: (node) => broadcasts(readerOf(node).string('equation', ''), node.inputs),
  // Wrong numbers where it also crops.
  Pad: (node) => readerOf(node).string('mode', 'constant') === 'wrap' && crops(node),
  // "The antialias attribute of Resize operator is NOT implemented."
  Resize: (node) => readerOf(node).int('antialias', 0) === 1,
  // Infinite where exp of the largest element is.
  ReduceLogSumExp: () => true,
};

/** Whether a label of an equation stands for dimensions of several sizes; the dots may always do so. */
function broadcasts(equation: string, operands: readonly (Value | undefined)[]): boolean {
  const terms = equation.replaceAll(/\s|->.*/g, '').split(',');
  const sized = terms.flatMap((term, i) =>
    [...term].map((label, axis) => [label, operands[i]?.shape?.[axis]] as const),
  );
  return equation.includes('...') || sized.some(([label, size]) => sized.some(([l, s]) => l === label && s !== size));
}

const crops = ({ inputs: [, pads] }: Node): boolean =>
  pads?.constant === undefined || numbersOf(pads.constant).some((pad) => pad < 0);

/** Whether the provider must leave a node to the CPU. */
export const staysOnCpu = (node: Node): boolean => ON_CPU[node.op]?.(node) ?? false;

/** A pool whose places of maxima are read: its input and output, in the new graph. */
interface Pool {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly axes: readonly WindowAxis[];
}

/** Rewrites without the places of maxima what the gradient of MaxPool does with them. */
export function webgpuRewrites(): Rewrite[] {
  const pools = new Map<Value, Pool>();
  const poolOf = (value: Value | undefined): Pool | undefined => value && pools.get(flattened(value));
  const splitPool: Rewrite = (node, inputs, target) => {
    const [x] = inputs;
    const [first, indices] = node.outputs;
    if (node.op !== 'MaxPool' || indices === undefined || x === undefined) return undefined;
    // The order of places, `storage_order`, is refused too.
    const { storage_order: _, ...attributes } = node.attributes;
    const [y] = copyNode({ ...node, attributes, outputs: [first] }, inputs, target) as [Tensor];
    pools.set(indices, { x, y, axes: poolAxes(readerOf(node), x) });
    return [y, copyNode(node, inputs, target)[1] as Tensor];
  };
  const unpool: Rewrite = (node, [dy]) => {
    const pool = node.op === 'MaxUnpool' ? poolOf(node.inputs[1]) : undefined;
    const sameSize = pool && sizeOf(node.outputs[0]?.shape ?? []) === pool.x.size;
    return pool && dy && sameSize ? [toFirstMaxima(dy, pool)] : undefined;
  };
  const scatter: Rewrite = (node, [zeros, , dy]) => {
    const pool = node.op === 'ScatterElements' ? poolOf(node.inputs[1]) : undefined;
    if (!pool || !dy || zeros?.size !== pool.x.size || !isZero(node.inputs[0])) return undefined;
    return [toFirstMaxima(dy.reshape(pool.y.shape), pool).reshape(node.outputs[0]?.shape ?? [])];
  };
  return [splitPool, unpool, scatter, gatherBackwards];
}

/** A Slice with negative steps, which gives the elements it would give with positive ones. */
const gatherBackwards: Rewrite = (node, [x, starts, , axes, steps]) => {
  const backwards = steps?.constantValues()?.some((step) => step < 0);
  if (node.op !== 'Slice' || !x || !starts || !backwards) return undefined;
  const firsts = starts.constantValues() ?? [];
  const along = axes?.constantValues() ?? firsts.map((_, i) => i);
  const shape = node.outputs[0]?.shape ?? [];
  const gathered = along.reduce((sliced, axisIndex, i) => {
    const axis = normalizeAxis(axisIndex, x.rank);
    const step = steps?.constantValues()?.[i] ?? 1;
    const size = x.dim(axis);
    const start = firsts[i] as number;
    const first = Math.min(Math.max(start < 0 ? start + size : start, 0), step < 0 ? size - 1 : size);
    const indices = Array.from({ length: shape[axis] as number }, (_, k) => first + k * step);
    return sliced.gather(x.graph.ints(indices), axis);
  }, x);
  return [gathered];
};

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

function isInside(axes: readonly WindowAxis[], element: number, window: number): boolean {
  let [k, o] = [element, window];
  return axes.toReversed().every((axis) => {
    const place = (o % axis.count) * axis.stride + (k % axis.kernel) * axis.dilation - axis.before;
    k = Math.floor(k / axis.kernel);
    o = Math.floor(o / axis.count);
    return place >= 0 && place < axis.size;
  });
}
