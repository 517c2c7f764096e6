/** Rearrangement of elements: reshaping, splitting, joining, repeating. Their gradients rearrange back. */
import {
  broadcastShapes,
  concat,
  GlobalPercError,
  insertAxes,
  normalizeAxis,
  type Shape,
  sizeOf,
  type Tensor,
} from '../graph/index.js';
import { constantInts, defineOp, type InferContext, type OpDefinition } from './define.js';
import { requireRank, requireShape, requireThat } from './helpers/fits.js';
import { commonDtype } from './helpers/infer.js';
import { interleave, sliceBounds } from './helpers/slicing.js';

/** A change of shape alone.  ∂x = dy in the shape of x */
const reshaping = (shapeOf: (context: InferContext, x: Tensor, argument: Tensor | undefined) => Shape): OpDefinition =>
  defineOp({
    infer: (context, x, argument) => ({ dtype: x.dtype, shape: shapeOf(context, x, argument) }),
    vjp: ({ dy }, x) => [() => dy.reshape(x.shape), null],
  });

/** 0 copies the input's dimension (unless allowzero), −1 is what remains. */
export const Reshape = reshaping((context, x, argument) => {
  const wanted = constantInts(context, argument, 'the shape') ?? [];
  const copies = context.attributes.int('allowzero', 0) === 0;
  const dims = wanted.map((dim, i) => (dim === 0 && copies ? x.dim(i) : dim));
  const known = sizeOf(dims.filter((dim) => dim !== -1));
  const shape = dims.map((dim) => (dim === -1 ? x.size / known : dim));
  if (sizeOf(shape) !== x.size || !shape.every(Number.isInteger))
    throw new GlobalPercError(`${x.size} elements do not fit shape [${wanted}]`, { code: 'invalid-argument' });
  return shape;
});

/** Two dimensions: those before `axis`, and the rest. */
export const Flatten = reshaping(({ attributes }, x) => {
  const axis = attributes.int('axis', 1);
  const split = axis < 0 ? axis + x.rank : axis;
  requireThat(split >= 0 && split <= x.rank, () => `axis ${axis} is outside the range of a tensor of rank ${x.rank}`);
  return [sizeOf(x.shape.slice(0, split)), sizeOf(x.shape.slice(split))];
});

/** Drops dimensions of size 1: those named, or all. */
export const Squeeze = reshaping((context, x, argument) => {
  const axes = constantInts(context, argument, 'axes')?.map((axis) => normalizeAxis(axis, x.rank));
  const long = axes?.find((axis) => x.dim(axis) !== 1);
  requireThat(long === undefined, () => `dimension ${long} of [${x.shape}] is not 1`);
  return x.shape.filter((dim, i) => (axes ? !axes.includes(i) : dim !== 1));
});

/** Inserts dimensions of size 1 at the given axes of the result. */
export const Unsqueeze = reshaping((context, x, argument) => {
  const axes = constantInts(context, argument, 'axes') ?? [];
  const places = axes.map((axis) => normalizeAxis(axis, x.rank + axes.length));
  requireThat(new Set(places).size === places.length, () => `axes [${axes}] name one twice`);
  return insertAxes(x.shape, axes);
});

const permutationOf = ({ attributes }: InferContext, x: Tensor): readonly number[] =>
  attributes.ints('perm') ?? x.shape.map((_, i) => x.rank - 1 - i);

/** Permutes the dimensions (default: reverses them).  ∂x = dy permuted back */
export const Transpose = defineOp({
  infer: (context, x) => {
    const permutation = permutationOf(context, x);
    const places = permutation.map((axis) => normalizeAxis(axis, x.rank));
    requireThat(
      places.length === x.rank && new Set(places).size === x.rank,
      () => `[${permutation}] is no order of [${x.shape}]`,
    );
    return { dtype: x.dtype, shape: places.map((axis) => x.dim(axis)) };
  },
  vjp: (context, x) => {
    const permutation = permutationOf(context, x);
    return [() => context.dy.transpose(permutation.map((_, axis) => permutation.indexOf(axis)))];
  },
});

/** Joins tensors along an axis.  ∂xᵢ = the part of dy that xᵢ became */
export const Concat = defineOp({
  infer: ({ attributes }, ...inputs) => {
    const first = inputs[0] as Tensor;
    const axis = normalizeAxis(attributes.int('axis', 0), first.rank);
    const beside = first.shape.map((dim, i) => (i === axis ? undefined : dim));
    for (const input of inputs) requireShape('an input', input, beside);
    const total = inputs.reduce((sum, input) => sum + input.dim(axis), 0);
    return { dtype: commonDtype(...inputs), shape: first.shape.map((dim, i) => (i === axis ? total : dim)) };
  },
  vjp: ({ dy, attributes }, ...inputs) => {
    const axis = normalizeAxis(attributes.int('axis', 0), dy.rank);
    let end = 0;
    return inputs.map((input) => {
      const start = end;
      end += input.dim(axis);
      const stop = end;
      return () => dy.slice([axis], [start], [stop]);
    });
  },
});

/** Sizes of the parts: given, or equal with a smaller last one. */
function splitSizes(context: InferContext, x: Tensor, axis: number, sizes: Tensor | undefined): number[] {
  const given = constantInts(context, sizes, 'the split sizes');
  if (given) return given;
  const total = x.dim(axis);
  const count = context.attributes.int('num_outputs', context.outputCount);
  const size = Math.ceil(total / count);
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(size, total - i * size)));
}

/** Cuts a tensor into parts along an axis.  ∂x = the parts' gradients joined, zeros where a part is unused */
export const Split = defineOp({
  infer: (context, x, sizes) => {
    const axis = normalizeAxis(context.attributes.int('axis', 0), x.rank);
    const parts = splitSizes(context, x, axis, sizes);
    const sum = parts.reduce((total, size) => total + size, 0);
    requireThat(
      sum === x.dim(axis) && parts.length >= context.outputCount,
      () => `[${x.shape}] has no parts of ${parts}`,
    );
    requireThat(
      sizes !== undefined || (parts.at(-1) as number) > 0,
      () => `[${x.shape}] is too short for ${parts.length} parts`,
    );
    return parts.map((size) => ({
      dtype: x.dtype,
      shape: x.shape.map((dim, i) => (i === axis ? size : dim)),
    }));
  },
  vjp: ({ dys, outputs, attributes }, x) => [
    () =>
      concat(
        dys.map((dy, i) => dy ?? (outputs[i] as Tensor).zerosLike()),
        normalizeAxis(attributes.int('axis', 0), x.rank),
      ),
    null,
  ],
});

/** x[start : end : step] along some axes.  ∂x = dy at the places it was taken from, 0 elsewhere */
export const Slice = defineOp({
  infer: (context, x, starts, ends, axes, steps) => {
    const bounds = sliceBounds(context, x, [starts, ends, axes, steps]);
    return { dtype: x.dtype, shape: x.shape.map((dim, i) => bounds.find(({ axis }) => axis === i)?.count ?? dim) };
  },
  vjp: (context, x, starts, ends, axes, steps) => [
    () => {
      const bounds = sliceBounds(context, x, [starts, ends, axes, steps]);
      if (bounds.some(({ count }) => count === 0)) return x.zerosLike();
      return bounds.reduce((dy, bound) => interleave(dy, bound, x.dim(bound.axis)), context.dy);
    },
    null,
    null,
    null,
    null,
  ],
});

/** Broadcasts to a shape.  ∂x = dy summed over the repeated axes (by the driver) */
export const Expand = defineOp({
  infer: (context, x, shape) => ({
    dtype: x.dtype,
    shape: broadcastShapes(x.shape, constantInts(context, shape, 'the shape') ?? []),
  }),
  vjp: ({ dy }) => [() => dy, null],
});

/** Repeats the tensor along each axis.  ∂x = dy summed over the repeats */
export const Tile = defineOp({
  infer: (context, x, repeats) => {
    const times = constantInts(context, repeats, 'repeats') ?? [];
    requireThat(times.length === x.rank, () => `[${x.shape}] needs ${x.rank} repeats, got ${times.length}`);
    return { dtype: x.dtype, shape: x.shape.map((dim, i) => dim * (times[i] ?? 1)) };
  },
  vjp: (context, x, repeats) => {
    const times = constantInts(context, repeats, 'repeats') ?? [];
    const split = x.shape.flatMap((dim, i) => [times[i] ?? 1, dim]);
    return [() => context.dy.reshape(split).sum(x.shape.map((_, i) => 2 * i)), null];
  },
});

/** Moves channels into blocks of pixels; DCR: block index outermost in the channel, CRD: innermost (PixelShuffle). */
export const DepthToSpace = defineOp({
  infer: ({ attributes }, x) => {
    const block = attributes.int('blocksize', 1);
    requireRank('the input', x, 4);
    requireThat(x.dim(1) % block ** 2 === 0, () => `${x.dim(1)} channels are no blocks of ${block} x ${block}`);
    return { dtype: x.dtype, shape: [x.dim(0), x.dim(1) / block ** 2, x.dim(2) * block, x.dim(3) * block] };
  },
  vjp: ({ dy, attributes }, x) => {
    const block = attributes.int('blocksize', 1);
    const columnRow = attributes.string('mode', 'DCR') === 'CRD';
    const blocks = dy.reshape([x.dim(0), -1, x.dim(2), block, x.dim(3), block]);
    return [() => blocks.transpose(columnRow ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4]).reshape(x.shape)];
  },
});

/** Moves blocks of pixels into channels, block index outermost.  ∂x = dy moved back */
export const SpaceToDepth = defineOp({
  infer: ({ attributes }, x) => {
    const block = attributes.int('blocksize', 1);
    requireRank('the input', x, 4);
    requireThat(
      x.dim(2) % block === 0 && x.dim(3) % block === 0,
      () => `an image of ${x.dim(2)} x ${x.dim(3)} is not made of blocks of ${block} x ${block}`,
    );
    return { dtype: x.dtype, shape: [x.dim(0), x.dim(1) * block ** 2, x.dim(2) / block, x.dim(3) / block] };
  },
  vjp: ({ dy, attributes }, x) => {
    const block = attributes.int('blocksize', 1);
    const blocks = dy.reshape([x.dim(0), block, block, x.dim(1), x.dim(2) / block, x.dim(3) / block]);
    return [() => blocks.transpose([0, 3, 4, 1, 5, 2]).reshape(x.shape)];
  },
});
