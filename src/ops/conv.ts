/** Convolution, transposed convolution and adding up windows, over one to three spatial axes. */
import {
  type AttributeReader,
  type Attributes,
  constantOf,
  ints,
  type Shape,
  sizeOf,
  type Tensor,
} from '../graph/index.js';
import { constantInts, defineOp } from './define.js';
import { sumPerChannel } from './helpers/channels.js';
import {
  convolutionOf,
  convolve,
  largeGradient,
  transposedConvolutionOf,
  weightGradient,
} from './helpers/convolution-gradients.js';
import { requireRank, requireShape, requireThat } from './helpers/fits.js';
import { matrixOf } from './helpers/separable.js';
import { windowAxes } from './helpers/windows.js';

/** y[n, m, o] = b[m] + Σ w[m, c, k]·x[n, c, o·s + k·d − p].  ∂x = w ⋆ᵀ dy, ∂w[m, c, k] = Σ dy[n, m, o]·x[n, c, o·s + k·d − p], ∂b = Σ dy */
export const Conv = defineOp({
  infer: ({ attributes }, x, w, bias) => {
    const { axes, group } = convolutionOf(attributes, x.shape, w.shape);
    requireThat(w.dim(0) % group === 0, () => `${w.dim(0)} channels out are no multiple of ${group} groups`);
    requireShape('the bias', bias, [w.dim(0)]);
    return { dtype: x.dtype, shape: [x.dim(0), w.dim(0), ...axes.map((axis) => axis.count)] };
  },
  vjp: ({ attributes, dy }, x, w) => {
    const convolution = convolutionOf(attributes, x.shape, w.shape);
    return [() => largeGradient(dy, w, convolution), () => weightGradient(x, dy, convolution), () => sumPerChannel(dy)];
  },
});

/** y[n, m, i·s + k·d − p] += w[c, m, k]·x[n, c, i].  ∂x = w ⋆ dy, ∂w[c, m, k] = Σ x[n, c, i]·dy[n, m, i·s + k·d − p], ∂b = Σ dy */
export const ConvTranspose = defineOp({
  infer: ({ attributes }, x, w, bias) => {
    const { axes, group } = transposedConvolutionOf(attributes, x.shape, w.shape);
    requireShape('the bias', bias, [w.dim(1) * group]);
    return { dtype: x.dtype, shape: [x.dim(0), w.dim(1) * group, ...axes.map((axis) => axis.size)] };
  },
  vjp: ({ attributes, dy }, x, w) => {
    const convolution = transposedConvolutionOf(attributes, x.shape, w.shape);
    return [() => convolve(dy, w, convolution), () => weightGradient(dy, x, convolution), () => sumPerChannel(dy)];
  },
});

/** y[n, c, o·s + k·d − p] += x[n, c·K + k, o], the windows o of an image put back.  ∂x[n, c·K + k, o] = dy[n, c, o·s + k·d − p] */
export const Col2Im = defineOp({
  infer: (context, x, image, block) => {
    const sizes = constantInts(context, image, 'the sizes of the image') ?? [];
    const kernel = constantInts(context, block, 'the sizes of the windows') ?? [];
    requireRank('the windows', x, 3);
    requireShape('the windows', x, [undefined, undefined, windowCount(context.attributes, sizes, kernel)]);
    requireThat(x.dim(1) % sizeOf(kernel) === 0, () => `${x.dim(1)} elements are no channels of windows [${kernel}]`);
    return { dtype: x.dtype, shape: [x.dim(0), x.dim(1) / sizeOf(kernel), ...sizes] };
  },
  vjp: (context, x, _image, block) => {
    const kernel = constantInts(context, block, 'the sizes of the windows') ?? [];
    return [() => windowsOf(context.dy, kernel, context.attributes.all()).reshape(x.shape), null, null];
  },
});

/** How many windows an image has. */
const windowCount = (attributes: AttributeReader, sizes: Shape, kernel: readonly number[]): number =>
  sizeOf(windowAxes(attributes, [1, 1, ...sizes], kernel).map(({ count }) => count));

/** The elements of each window as channels, picked by a convolution of each channel with one 1 per filter. */
function windowsOf(image: Tensor, kernel: readonly number[], attributes: Attributes): Tensor {
  const places = sizeOf(kernel);
  const picks = matrixOf(places, places, (row, column) => (row === column ? 1 : 0));
  const filters = image.graph.constant(constantOf(image.dtype, [places, 1, ...kernel], picks));
  const single = image.reshape([-1, 1, ...image.shape.slice(2)]);
  return image.graph.emit('Conv', [single, filters], { ...attributes, kernel_shape: ints(kernel) })[0] as Tensor;
}
