/** Matrix products. */
import { broadcastShapes, GlobalPercError, int, type Shape, type Tensor } from '../graph/index.js';
import { defineOp } from './define.js';
import { einsum, einsumGradient, einsumShape } from './helpers/einsum.js';
import { requireRank, requireSpread, requireThat } from './helpers/fits.js';
import { commonDtype } from './helpers/infer.js';

/** A vector on the left counts as a row, on the right as a column. */
const asMatrices = (a: Tensor, b: Tensor): [Tensor, Tensor] => [
  a.rank === 1 ? a.unsqueeze([0]) : a,
  b.rank === 1 ? b.unsqueeze([1]) : b,
];

const transposed = (x: Tensor): Tensor => x.swapAxes(-1, -2);

function productShape(a: Tensor, b: Tensor): Shape {
  const [left, right] = [a.rank === 1 ? [1, ...a.shape] : a.shape, b.rank === 1 ? [...b.shape, 1] : b.shape];
  if (left.at(-1) !== right.at(-2)) {
    throw new GlobalPercError(`inner dimensions differ: [${a.shape}] times [${b.shape}]`, { code: 'invalid-argument' });
  }
  const batch = broadcastShapes(left.slice(0, -2), right.slice(0, -2));
  const rows = a.rank === 1 ? [] : [left.at(-2) as number];
  const columns = b.rank === 1 ? [] : [right.at(-1) as number];
  return [...batch, ...rows, ...columns];
}

/** y = a·b over the last two dimensions.  ∂a = dy·bᵀ, ∂b = aᵀ·dy */
export const MatMul = defineOp({
  infer: (_, a, b) => ({ dtype: commonDtype(a, b), shape: productShape(a, b) }),
  vjp: ({ dy }, a, b) => {
    const [left, right] = asMatrices(a, b);
    const batch = broadcastShapes(left.shape.slice(0, -2), right.shape.slice(0, -2));
    const outer = (): Tensor => dy.reshape([...batch, left.dim(-2), right.dim(-1)]);
    return [() => timesTransposed(outer(), right), () => matMulRightGradient(left, outer(), b)];
  },
});

/** dy·bᵀ; a plain matrix b, usually a weight, is read as it lies instead of being kept a second time, transposed. */
function timesTransposed(dy: Tensor, b: Tensor): Tensor {
  if (b.rank > 2) return dy.matmul(transposed(b));
  const rows = dy.reshape([-1, dy.dim(-1)]);
  const [product] = dy.graph.emit('Gemm', [rows, b], { transB: int(1) }) as [Tensor];
  return product.reshape([...dy.shape.slice(0, -1), b.dim(0)]);
}

/** aᵀ·dy; for a plain matrix b all batches are summed by one product. */
function matMulRightGradient(left: Tensor, dy: Tensor, b: Tensor): Tensor {
  if (b.rank > 2) return transposed(left).matmul(dy);
  const rows = left.expand([...dy.shape.slice(0, -1), left.dim(-1)]).reshape([-1, left.dim(-1)]);
  return transposed(rows)
    .matmul(dy.reshape([-1, dy.dim(-1)]))
    .reshape(b.shape);
}

/** y = α·a′·b′ + β·c, ′ an optional transposition.  ∂a′ = α·dy·b′ᵀ, ∂b′ = α·a′ᵀ·dy, ∂c = β·dy */
export const Gemm = defineOp({
  infer: ({ attributes }, a, b, c) => {
    requireRank('the left matrix', a, 2);
    requireRank('the right matrix', b, 2);
    const [rows, inner] = attributes.int('transA', 0) ? a.shape.toReversed() : a.shape;
    const [other, columns] = attributes.int('transB', 0) ? b.shape.toReversed() : b.shape;
    requireThat(inner === other, () => `inner dimensions differ: [${a.shape}] times [${b.shape}]`);
    const shape = [rows as number, columns as number];
    requireSpread('what is added', c, shape);
    return { dtype: commonDtype(a, b, ...(c ? [c] : [])), shape };
  },
  vjp: ({ dy, attributes }, a, b) => {
    const [flipA, flipB] = [attributes.int('transA', 0) === 1, attributes.int('transB', 0) === 1];
    const scaled = (x: Tensor): Tensor => x.mul(attributes.float('alpha', 1));
    const right = flipB ? b : transposed(b);
    const left = flipA ? a : transposed(a);
    return [
      () => scaled(flipA ? transposed(right).matmul(transposed(dy)) : dy.matmul(right)),
      () => scaled(flipB ? transposed(dy).matmul(transposed(left)) : left.matmul(dy)),
      () => dy.mul(attributes.float('beta', 1)),
    ];
  },
});

/** Sum of products by index labels.  Each operand's gradient is another Einsum of dy with the other operands. */
export const Einsum = defineOp({
  infer: ({ attributes }, ...inputs) => ({
    dtype: commonDtype(...inputs),
    shape: einsumShape(einsum(attributes.string('equation', ''), inputs), inputs),
  }),
  vjp: ({ dy, attributes }, ...inputs) => {
    const equation = einsum(attributes.string('equation', ''), inputs);
    return inputs.map((_, i) => () => einsumGradient(equation, inputs, i, dy));
  },
});
