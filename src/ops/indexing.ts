/** Picking and placing elements by index. */
import { GlobalPercError, int, normalizeAxis, type Shape, sizeOf, type Tensor } from '../graph/index.js';
import { constantInts, defineOp, type OpDefinition } from './define.js';
import { sameAsInput } from './helpers/infer.js';
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

/** y[i, j] = x[indices[i, j], j] (for axis 0).  ∂x = dy added up at those places */
export const GatherElements = defineOp({
  infer: (_, x, indices) => ({ dtype: x.dtype, shape: indices.shape }),
  vjp: ({ dy, attributes }, x, indices) => [
    () => scatterElementsAdd(x.zerosLike(), indices, dy, normalizeAxis(attributes.int('axis', 0), x.rank)),
    null,
  ],
});

/** y = slices of x at index tuples, after `batch_dims` shared dimensions.  ∂x = dy added up at those tuples */
export const GatherND = defineOp({
  infer: ({ attributes }, x, indices) => {
    const depth = attributes.int('batch_dims', 0) + indices.dim(-1);
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
const scattering = (gatherOp: string): OpDefinition =>
  defineOp({
    infer: sameAsInput,
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

export const ScatterND = scattering('GatherND');
export const ScatterElements = scattering('GatherElements');

/** The upper or lower triangle, zeros elsewhere.  ∂x = that triangle of dy */
export const Trilu = defineOp({
  infer: sameAsInput,
  vjp: ({ dy, attributes }, _x, diagonal?: Tensor) => [
    () => dy.graph.emit('Trilu', [dy, diagonal], attributes.all())[0] as Tensor,
    null,
  ],
});

/** Running sum along an axis.  ∂x = running sum of dy the other way */
export const CumSum = defineOp({
  infer: sameAsInput,
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
    const count = constantInts(context, k, 'k')?.[0] ?? 1;
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
    const size = constantInts(context, depth, 'the depth')?.[0] ?? 0;
    return { dtype: (values as Tensor).dtype, shape: indices.shape.toSpliced(at, 0, size) };
  },
});
