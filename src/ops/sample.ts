/** Sampling an image at the places of a grid: warps and deformable attention. */
import { concat, int, type Tensor } from '../graph/index.js';
import { defineOp } from './define.js';
import { samplingOf, tapsOf } from './helpers/sampling.js';
import { scatterElementsAdd } from './helpers/scatter.js';

/**
 * y[p] = Σₖ wₖ(g[p])·x[iₖ(g[p])], the elements iₖ around the place g[p] by their shares wₖ.
 * ∂x[i] = Σ wₖ·dy over the places with iₖ = i, ∂g = Σₖ (Σ over channels of dy·x[iₖ])·∂wₖ/∂g
 */
export const GridSample = defineOp({
  infer: (_, x, grid) => ({ dtype: x.dtype, shape: [x.dim(0), x.dim(1), ...grid.shape.slice(1, -1)] }),
  vjp: ({ attributes, dy }, x, grid) => {
    const { index, share, slopes } = tapsOf(grid, x.shape.slice(2), samplingOf(attributes));
    const [batch, channels, taps, places] = [x.dim(0), x.dim(1), index.dim(1), index.dim(2)];
    const image = x.reshape([batch, channels, -1]);
    const each = dy.reshape([batch, channels, 1, places]);
    const at = index.reshape([batch, 1, -1]).expand([batch, channels, taps * places]);
    const added = (): Tensor =>
      scatterElementsAdd(image.zerosLike(), at, each.mul(share.unsqueeze([1])).reshape(at.shape), 2);
    const slopeOf = (slope: Tensor, sampled: Tensor): Tensor => sampled.mul(slope).sum([1]).unsqueeze([2]);
    const moved = (): Tensor => {
      const elements = x.graph.emit('GatherElements', [image, at], { axis: int(2) })[0] as Tensor;
      const sampled = elements.reshape([batch, channels, taps, places]).mul(each).sum([1]);
      return concat(
        slopes.map((slope) => slopeOf(slope, sampled)),
        2,
      ).reshape(grid.shape);
    };
    return [() => added().reshape(x.shape), slopes.length === 0 ? null : moved];
  },
});
