/** Sampling an image at computed places: warps, deformable attention and convolution, regions of interest. */
import { concat, sizeOf, type Tensor } from '../graph/index.js';
import { defineOp } from './define.js';
import { convolutionOf } from './helpers/convolution-gradients.js';
import { deformableGradients } from './helpers/deformable-gradients.js';
import { requireRank, requireShape, requireThat } from './helpers/fits.js';
import { averageGradient, maximumGradient, regionsOf } from './helpers/regions.js';
import { elementsAt, imageGradient, placeGradients, samplingOf, tapsOf } from './helpers/taps.js';

/**
 * y[p] = Σₖ wₖ(g[p])·x[iₖ(g[p])], the elements iₖ around the place g[p] by their shares wₖ.
 * ∂x[i] = Σ wₖ·dy over the places with iₖ = i, ∂g = Σₖ (Σ over channels of dy·x[iₖ])·∂wₖ/∂g
 */
export const GridSample = defineOp({
  infer: (_, x, grid) => {
    const places = grid.shape.slice(1, -1);
    requireShape('the grid', grid, [x.dim(0), ...x.shape.slice(2).map(() => undefined), x.rank - 2]);
    return { dtype: x.dtype, shape: [x.dim(0), x.dim(1), ...places] };
  },
  vjp: ({ attributes, dy }, x, grid) => {
    const taps = tapsOf(grid, x.shape.slice(2), samplingOf(attributes));
    const [batch, channels] = [x.dim(0), x.dim(1)];
    const image = x.reshape([batch, channels, -1]);
    const each = dy.reshape([batch, channels, -1]);
    const moved = (): Tensor => {
      const parts = placeGradients(elementsAt(image, taps), taps, each);
      const columns = parts.map((part) => part.unsqueeze([2]));
      return concat(columns, 2).reshape(grid.shape);
    };
    const added = (): Tensor => imageGradient(image, taps, each).reshape(x.shape);
    return [added, taps.slopes.length === 0 ? null : moved];
  },
});

/**
 * A convolution whose windows' elements are moved by offsets and weighted by a mask
 * (https://onnx.ai/onnx/operators/onnx__DeformConv.html, torchvision's `deform_conv2d`):
 * y[n, m, o] = b[m] + Σ w[m, c, k]·s[n, c, k, o],  s = mask[n, k, o]·x[n, c, o·s + k·d − p + offset[n, k, o]]
 * ∂s = wᵀ·dy, ∂w = dy·sᵀ, ∂b = Σ dy; through s as in GridSample, and ∂mask = Σ over channels of ∂s·x[…]
 */
export const DeformConv = defineOp({
  infer: ({ attributes }, x, w, offset, bias, mask) => {
    const { axes, group } = convolutionOf(attributes, x.shape, w.shape);
    requireThat(w.dim(0) % group === 0, () => `${w.dim(0)} channels out are no multiple of ${group} groups`);
    const places = sizeOf(w.shape.slice(2)) * attributes.int('offset_group', 1);
    const each = axes.map(({ count }) => count);
    requireShape('the offsets', offset, [x.dim(0), 2 * places, ...each]);
    requireShape('the bias', bias, [w.dim(0)]);
    requireShape('the mask', mask, [x.dim(0), places, ...each]);
    return { dtype: x.dtype, shape: [x.dim(0), w.dim(0), ...axes.map((axis) => axis.count)] };
  },
  vjp: ({ attributes, dy }, x, w, offset, _b, mask) => deformableGradients(attributes, { x, w, offset, mask }, dy),
});

/**
 * y[r, c, p] = the mean over the samples of bin p of region r, bilinear in x as in torchvision's `roi_align`; or the
 * largest share of one element in them, as ONNX Runtime computes the mode 'max'.
 * (https://onnx.ai/onnx/operators/onnx__RoiAlign.html)
 * ∂x = Aᵀ·dy with the matrices A of the mean, or dy·share at the element chosen; none for the regions, as in torchvision
 */
export const RoiAlign = defineOp({
  infer: ({ attributes }, x, rois, batch) => {
    requireRank('the image', x, 4);
    requireShape('the regions', rois, [undefined, 4]);
    requireShape("the regions' images", batch, [rois.dim(0)]);
    const sizes = [attributes.int('output_height', 1), attributes.int('output_width', 1)];
    return { dtype: x.dtype, shape: [rois.dim(0), x.dim(1), ...sizes] };
  },
  vjp: (context, x, rois, batch) => {
    const ofImage = context.attributes.string('mode', 'avg') === 'avg' ? averageGradient : maximumGradient;
    return [() => ofImage(context.dy, x, batch, regionsOf(context, x, rois)), null, null];
  },
});
