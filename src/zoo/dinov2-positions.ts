/** Position embeddings of one grid of patches resampled to another. */
import { concat, constantOf, type Tensor } from '../graph/index.js';
import { interpolationMatrix } from '../ops/index.js';

/** How positions are resampled. */
export interface Resampling {
  /** Low-pass filter where the grid shrinks. */
  readonly antialias: boolean;
  /** The scale of an axis is (wanted + offset)/present. */
  readonly offset: number;
}

/**
 * `[1, 1 + M², D]`, a class token's embedding and those of an M×M grid → `[1, 1 + rows·columns, D]`: the grid resampled
 * as by torch's `interpolate(mode='bicubic')` with `scale_factor`, one matrix product per axis
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html). The same grid stays as it is.
 */
export function resampledPositions(
  table: Tensor,
  [rows, columns]: readonly [rows: number, columns: number],
  { antialias, offset }: Resampling,
): Tensor {
  const count = table.dim(1) - 1;
  const side = Math.sqrt(count);
  if (rows === side && columns === side) return table;
  const features = table.dim(2);
  const matrix = (size: number): Tensor => {
    const entries = interpolationMatrix(
      {
        mode: 'cubic',
        coordinates: 'half_pixel',
        scale: (size + offset) / side,
        ...(antialias ? { antialias: true, excludeOutside: true, cubicA: -0.5 } : { cubicA: -0.75 }),
      },
      side,
      size,
    );
    return table.graph.constant(constantOf(table.dtype, [size, side], entries));
  };
  const grid = table.slice([1], [1], [1 + count]).reshape([side, side * features]);
  const tall = matrix(rows).matmul(grid).reshape([rows, side, features]);
  const resampled = matrix(columns)
    .matmul(tall)
    .reshape([1, rows * columns, features]);
  return concat([table.slice([1], [0], [1]), resampled], 1);
}
