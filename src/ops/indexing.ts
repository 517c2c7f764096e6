/** Picking and placing elements by index. */
import { GlobalPercError, int, normalizeAxis, type Shape, sameShape, sizeOf, type Tensor } from '../graph/index.js';
import { constantNumber, defineOp, type InferContext, type OpDefinition } from './define.js';
import { requireThat } from './helpers/fits.js';
import { commonDtype } from './helpers/infer.js';
import { gatherGradient, scatterElementsAdd } from './helpers/scatter.js';

/** y = slices of x along an axis, the axis replaced by the indices' shape.  ∂x = dy's slices added up by index */
export const Gather = defineOp({
  infer: ({ attributes }, x, indices) => {
    const axis = normalizeAxis(attributes.int('axis', 0), x.rank);
    return { dtype: x.dtype, shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)] };
  },
  vjp: ({ dy, attributes }, x, indices) => {
    const axis = normalizeAxis(attributes.int('axis', 0), x.rank);
    const flat = (): Tensor => dy.reshape([...x.shape.slice(0, axis), indices.size, ...x.shape.slice(axis + 1)]);
    return [() => gatherGradient(flat(), indices, axis, x.dim(axis)), null];
  },
});

/** Whether indices stand beside the elements that they pick along an axis. */
const isWithin = (indices: Tensor, x: Tensor, axis: number): boolean =>
  indices.rank === x.rank && indices.shape.every((size, i) => i === axis || size <= x.dim(i));

/** y[i, j] = x[indices[i, j], j] (for axis 0).  ∂x = dy added up at those places */
export const GatherElements = defineOp({
  infer: ({ attributes }, x, indices) => {
    const axis = normalizeAxis(attributes.int('axis', 0), x.rank);
    requireThat(
      isWithin(indices, x, axis),
      () => `indices [${indices.shape}] do not fit [${x.shape}] along axis ${axis}`,
    );
    return { dtype: x.dtype, shape: indices.shape };
  },
  vjp: ({ dy, attributes }, x, indices) => [
    () => scatterElementsAdd(x.zerosLike(), indices, dy, normalizeAxis(attributes.int('axis', 0), x.rank)),
    null,
  ],
});

/** y = slices of x at index tuples, after `batch_dims` shared dimensions.  ∂x = dy added up at those tuples */
export const GatherND = defineOp({
  infer: ({ attributes }, x, indices) => {
    const batch = attributes.int('batch_dims', 0);
    const depth = batch + indices.dim(-1);
    requireThat(depth <= x.rank, () => `tuples of ${indices.dim(-1)} do not address [${x.shape}]`);
    requireThat(
      indices.rank > batch && sameShape(x.shape.slice(0, batch), indices.shape.slice(0, batch)),
      () => `[${x.shape}] and the indices [${indices.shape}] do not share ${batch} dimensions`,
    );
    return { dtype: x.dtype, shape: [...indices.shape.slice(0, -1), ...x.shape.slice(depth)] };
  },
  vjp: ({ dy, attributes }, x, indices) => [
    () => {
      const depth = attributes.int('batch_dims', 0);
      const [batches, addressed] = [x.shape.slice(0, depth), x.shape.slice(depth, depth + indices.dim(-1))];
      const flat = [sizeOf(batches), sizeOf(addressed), sizeOf(x.shape.slice(depth + addressed.length))] as const;
      const rows = rowNumbers(indices, addressed).reshape([flat[0], -1, 1]);
      const updates = dy.reshape([flat[0], rows.dim(1), flat[2]]);
      const zeros = x.zerosLike().reshape(flat);
      return scatterElementsAdd(zeros, rows.expand(updates.shape), updates, 1).reshape(x.shape);
    },
    null,
  ],
});

/** Index tuples as single indices into the flattened dimensions they address; Mod makes negative ones positive. */
function rowNumbers(tuples: Tensor, dims: Shape): Tensor {
  const { graph } = tuples;
  const strides = dims.map((_, i) => sizeOf(dims.slice(i + 1)));
  const positive = graph.emit('Mod', [tuples, graph.ints(dims)])[0] as Tensor;
  return positive.mul(graph.ints(strides)).sum([-1]);
}

/**
 * x with slices (or elements) replaced by updates, or the updates added to them.
 * reduction none: ∂x = dy with 0 at the replaced places, ∂updates = dy there; add: ∂x = dy, ∂updates = dy there
 */
const scattering = (
  gatherOp: string,
  fits: (context: InferContext, x: Tensor, indices: Tensor, updates: Tensor) => boolean,
): OpDefinition =>
  defineOp({
    infer: (context, x, indices, updates) => {
      const shapes = [x, indices, updates].map(({ shape }) => `[${shape}]`);
      requireThat(
        fits(context, x, indices, updates),
        () => `${shapes[2]} does not go into ${shapes[0]} at ${shapes[1]}`,
      );
      return { dtype: commonDtype(x, updates), shape: x.shape };
    },
    vjp: ({ dy, attributes, node }, _x, indices, updates) => {
      const reduction = attributes.string('reduction', 'none');
      if (reduction !== 'none' && reduction !== 'add') {
        throw new GlobalPercError(
          `${node.op} '${node.name}': reduction '${reduction}' has no gradient rule, only none and add`,
          { code: 'unsupported-operator' },
        );
      }
      const replaces = reduction === 'none';
      const axis = attributes.has('axis') ? { axis: int(attributes.int('axis', 0)) } : {};
      return [
        () =>
          replaces ? (dy.graph.emit(node.op, [dy, indices, updates.zerosLike()], attributes.all())[0] as Tensor) : dy,
        null,
        () => dy.graph.emit(gatherOp, [dy, indices], axis)[0] as Tensor,
      ];
    },
  });

export const ScatterND = scattering(
  'GatherND',
  (_, x, indices, updates) =>
    indices.dim(-1) <= x.rank &&
    sameShape(updates.shape, [...indices.shape.slice(0, -1), ...x.shape.slice(indices.dim(-1))]),
);
export const ScatterElements = scattering(
  'GatherElements',
  ({ attributes }, x, indices, updates) =>
    isWithin(indices, x, normalizeAxis(attributes.int('axis', 0), x.rank)) && sameShape(indices.shape, updates.shape),
);

/** The upper or lower triangle, zeros elsewhere.  ∂x = that triangle of dy */
export const Trilu = defineOp({
  infer: (_, x, diagonal) => {
    requireThat(x.rank > 1, () => `[${x.shape}] is no matrix`);
    requireThat(
      diagonal === undefined || diagonal.size === 1,
      () => `the diagonal is one number, got [${diagonal?.shape}]`,
    );
    return { dtype: x.dtype, shape: x.shape };
  },
  vjp: ({ dy, attributes }, _x, diagonal?: Tensor) => [
    () => dy.graph.emit('Trilu', [dy, diagonal], attributes.all())[0] as Tensor,
    null,
  ],
});

/** Running sum along an axis.  ∂x = running sum of dy the other way */
export const CumSum = defineOp({
  infer: (_, x, axis) => {
    requireThat(axis.size === 1, () => `the axis is one number, got shape [${axis.shape}]`);
    return { dtype: x.dtype, shape: x.shape };
  },
  vjp: ({ dy, attributes }, _x, axis) => [
    () => {
      const reverse = int(1 - attributes.int('reverse', 0));
      return dy.graph.emit('CumSum', [dy, axis], { ...attributes.all(), reverse })[0] as Tensor;
    },
    null,
  ],
});

/** The k largest (or smallest) elements along an axis, and where they were.  ∂x = dy at those places */
export const TopK = defineOp({
  infer: (context, x, k) => {
    const axis = normalizeAxis(context.attributes.int('axis', -1), x.rank);
    const count = constantNumber(context, k, 'k', 1) ?? 1;
    requireThat(count <= x.dim(axis), () => `k is ${count}, dimension ${axis} of [${x.shape}] is smaller`);
    const shape = x.shape.map((dim, i) => (i === axis ? count : dim));
    return [
      { dtype: x.dtype, shape },
      { dtype: 'int64', shape },
    ];
  },
  vjp: ({ dy, outputs, attributes }, x) => [
    () =>
      scatterElementsAdd(x.zerosLike(), outputs[1] as Tensor, dy, normalizeAxis(attributes.int('axis', -1), x.rank)),
    null,
  ],
});

/** 1 at the index, 0 elsewhere, along a new axis. */
export const OneHot = defineOp({
  infer: (context, indices, depth, values) => {
    const axis = context.attributes.int('axis', -1);
    const at = axis < 0 ? axis + indices.rank + 1 : axis;
    const size = constantNumber(context, depth, 'the depth', depth?.rank === 1 ? 1 : 0) ?? 0;
    return { dtype: (values as Tensor).dtype, shape: indices.shape.toSpliced(at, 0, size) };
  },
});
