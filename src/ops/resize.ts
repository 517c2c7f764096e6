/** Resampling of images (https://onnx.ai/onnx/operators/onnx__Resize.html). */
import { defineOp } from './define.js';
import { resizedAxes, resizeGradient } from './helpers/resize-gradient.js';

/** y = W·x along each axis, W the axis' interpolation matrix.  ∂x = Wᵀ·dy along each axis */
export const Resize = defineOp({
  infer: (context, x, _roi, scales, sizes) => ({
    dtype: x.dtype,
    shape: resizedAxes(context, x, scales, sizes).map(({ outSize }) => outSize),
  }),
  vjp: (context, x, _roi, scales, sizes) => [
    () => resizeGradient(context.attributes, context.dy, resizedAxes(context, x, scales, sizes)),
    null,
    null,
    null,
  ],
});
