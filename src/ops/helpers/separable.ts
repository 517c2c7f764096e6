/** Linear maps of one axis by a constant matrix: what resizing and average pooling are made of. */
import { constantOf, normalizeAxis, sizeOf, type Tensor } from '../../graph/index.js';

/**
 * Contracts an axis with the rows of a matrix: y[…, c, …] = Σᵣ M[r, c]·x[…, r, …]. This is the gradient of the map that
 * applied M to the axis. `matrix` is row-major and has as many rows as the axis has elements.
 */
export function contractAxis(x: Tensor, axis: number, matrix: Float64Array): Tensor {
  const at = normalizeAxis(axis, x.rank);
  const rows = x.dim(at);
  const columns = matrix.length / rows;
  const constant = x.graph.constant(constantOf(x.dtype, [rows, columns], matrix));
  if (at === x.rank - 1) return x.matmul(constant);
  const [outer, inner] = [x.shape.slice(0, at), x.shape.slice(at + 1)];
  const blocks = x.reshape([sizeOf(outer), rows, sizeOf(inner)]);
  return constant
    .transpose([1, 0])
    .matmul(blocks)
    .reshape([...outer, columns, ...inner]);
}

/** A row-major matrix from a function of row and column. */
export const matrixOf = (rows: number, columns: number, entry: (row: number, column: number) => number): Float64Array =>
  Float64Array.from({ length: rows * columns }, (_, i) => entry(Math.floor(i / columns), i % columns));
