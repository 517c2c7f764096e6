/** The matrix of a resampled axis, which gradients and transforms use, against what ONNX Runtime's Resize computes. */
import { describe, expect, it } from 'vitest';
import { constantOf, float, string, type Tensor } from '../../src/graph/index.js';
import { createGraph, type Interpolation, interpolationMatrix } from '../../src/ops/index.js';
import { expectClose, runGraph } from '../support/run.js';

/** Resize of the unit vectors: row i of the result is column i of the matrix. */
async function measured(
  options: Interpolation,
  inSize: number,
  scale: number,
): Promise<{ out: number; columns: number[] }> {
  const graph = createGraph();
  const x = graph.input('x', 'float32', [inSize, 1, 1, inSize]);
  const scales = graph.constant(constantOf('float32', [4], [1, 1, 1, scale]));
  const attributes = {
    mode: string(options.mode),
    coordinate_transformation_mode: string(options.coordinates),
    nearest_mode: string(options.nearest ?? 'round_prefer_floor'),
    cubic_coeff_a: float(options.cubicA ?? -0.75),
  };
  const [y] = graph.emit('Resize', [x, undefined, scales], attributes) as [Tensor];
  const unit = Array.from({ length: inSize ** 2 }, (_, i) => (i % (inSize + 1) === 0 ? 1 : 0));
  const found = await runGraph(graph, { y }, { x: constantOf('float32', [inSize, 1, 1, inSize], unit) });
  return { out: y.dim(3), columns: found.y as number[] };
}

const COORDINATES = [
  'half_pixel',
  'pytorch_half_pixel',
  'half_pixel_symmetric',
  'align_corners',
  'asymmetric',
] as const;
/** Sizes that the scale does not divide, so that the margins of the coordinates differ. */
const SIZES: readonly [inSize: number, scale: number][] = [
  [5, 1.5],
  [5, 0.7],
  [7, 2.3],
  [4, 0.4],
  [6, 2],
];

describe.each(COORDINATES)('%s', (coordinates) => {
  describe.each(['linear', 'cubic'] as const)('%s', (mode) => {
    it.each(SIZES)('%i elements, scaled by %f', async (inSize, scale) => {
      const options: Interpolation = { mode, coordinates, scale };
      const { out, columns } = await measured(options, inSize, scale);
      expect(out).toBe(Math.floor(inSize * scale));
      const matrix = interpolationMatrix(options, inSize, out);
      const transposed = Array.from(
        { length: inSize * out },
        (_, k) => matrix[(k % out) * inSize + Math.floor(k / out)],
      );
      expectClose(columns, transposed as number[], 1e-5, 'matrix');
    });
  });
});

it('the margin of half_pixel_symmetric is half of what is cut off', () => {
  // 5·1.5 = 7.5, of which 7 are kept: the first place is (5/2)·(1 − 7/7.5) + 0.5/1.5 − 0.5 = 0.
  const row = interpolationMatrix({ mode: 'linear', coordinates: 'half_pixel_symmetric', scale: 1.5 }, 5, 7).subarray(
    0,
    5,
  );
  for (const [i, share] of [1, 0, 0, 0, 0].entries()) expect(row[i]).toBeCloseTo(share, 6);
});
