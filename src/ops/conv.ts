/** Convolution and transposed convolution over one to three spatial axes. */
import { sumPerChannel } from './channels.js';
import { convolutionOf, convolve, largeGradient, transposedConvolutionOf, weightGradient } from './convolution.js';
import { defineOp } from './define.js';

/** y[n, m, o] = b[m] + Σ w[m, c, k]·x[n, c, o·s + k·d − p].  ∂x = w ⋆ᵀ dy, ∂w[m, c, k] = Σ dy[n, m, o]·x[n, c, o·s + k·d − p], ∂b = Σ dy */
export const Conv = defineOp({
  infer: ({ attributes }, x, w) => {
    const { axes } = convolutionOf(attributes, x.shape, w.shape);
    return { dtype: x.dtype, shape: [x.dim(0), w.dim(0), ...axes.map((axis) => axis.count)] };
  },
  vjp: ({ attributes, dy }, x, w) => {
    const convolution = convolutionOf(attributes, x.shape, w.shape);
    return [() => largeGradient(dy, w, convolution), () => weightGradient(x, dy, convolution), () => sumPerChannel(dy)];
  },
});

/** y[n, m, i·s + k·d − p] += w[c, m, k]·x[n, c, i].  ∂x = w ⋆ dy, ∂w[c, m, k] = Σ x[n, c, i]·dy[n, m, i·s + k·d − p], ∂b = Σ dy */
export const ConvTranspose = defineOp({
  infer: ({ attributes }, x, w) => {
    const { axes, group } = transposedConvolutionOf(attributes, x.shape, w.shape);
    return { dtype: x.dtype, shape: [x.dim(0), w.dim(1) * group, ...axes.map((axis) => axis.size)] };
  },
  vjp: ({ attributes, dy }, x, w) => {
    const convolution = transposedConvolutionOf(attributes, x.shape, w.shape);
    return [() => convolve(dy, w, convolution), () => weightGradient(dy, x, convolution), () => sumPerChannel(dy)];
  },
});
