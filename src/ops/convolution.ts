/**
 * What the gradients of Conv and ConvTranspose are made of. Both are described by the windows of a convolution that
 * leads from a larger to a smaller image: small[o] = Σₖ w[k]·large[o·stride + k·dilation − before].
 */
import { type AttributeReader, GlobalPercError, int, ints, type Shape, type Tensor } from '../graph/index.js';
import { exactAfter, extent, splitPadding, type WindowAxis, windowAxes, windowSteps } from './spatial.js';

/** Windows and channel groups of a convolution. */
export interface Convolution {
  readonly axes: readonly WindowAxis[];
  readonly group: number;
}

/** The convolution of a Conv node: w is [out, in/group, …kernel]. */
export function convolutionOf(attributes: AttributeReader, x: Shape, w: Shape): Convolution {
  const group = attributes.int('group', 1);
  const [channels, taken] = [x[1] as number, (w[1] as number) * group];
  if (channels !== taken) {
    throw new GlobalPercError(
      `the weight [${w}] in ${group} groups takes ${taken} channels, the input has ${channels}`,
    );
  }
  return { axes: windowAxes(attributes, x, w.slice(2)), group };
}

/** The convolution whose input gradient a ConvTranspose node computes: w is [in, out/group, …kernel]. */
export function transposedConvolutionOf(attributes: AttributeReader, x: Shape, w: Shape): Convolution {
  if (x[1] !== w[0]) throw new GlobalPercError(`the weight [${w}] takes ${w[0]} channels, the input has ${x[1]}`);
  const kernel = w.slice(2);
  const rank = kernel.length;
  const automatic = attributes.string('auto_pad', 'NOTSET');
  const pads = automatic === 'NOTSET' ? attributes.ints('pads') : undefined;
  const extra = attributes.ints('output_padding');
  const wanted = attributes.ints('output_shape')?.slice(-rank);
  const axes = windowSteps(attributes, kernel).map((step, i): WindowAxis => {
    const count = x[i + 2] as number;
    const full = (count - 1) * step.stride + extent(step) + (extra?.[i] ?? 0);
    const target = wanted?.[i] ?? (automatic.startsWith('SAME') ? count * step.stride : undefined);
    const [before, after] =
      target === undefined
        ? [pads?.[i] ?? 0, pads?.[i + rank] ?? 0]
        : splitPadding(Math.max(full - target, 0), automatic === 'SAME_UPPER');
    return { ...step, count, before, after, size: wanted?.[i] ?? full - before - after };
  });
  return { axes, group: attributes.int('group', 1) };
}

/** The small image: Conv of the large one. */
export const convolve = (large: Tensor, w: Tensor, { axes, group }: Convolution): Tensor =>
  conv(
    large,
    w,
    group,
    axes.map((axis) => ({ ...axis, after: exactAfter(axis) })),
  );

/**
 * Gradient of the large image. With stride 1 it is again a convolution, of the small image's gradient with the weight
 * rotated by 180° and its channels swapped, padded by dilation·(kernel−1) − padding; else a transposed convolution.
 */
export function largeGradient(small: Tensor, w: Tensor, { axes, group }: Convolution): Tensor {
  if (axes.some((axis) => axis.stride !== 1)) return convTranspose(small, w, axes, group);
  const mirrored = axes.map((axis) => {
    const reach = extent(axis) - 1;
    return { ...axis, before: reach - axis.before, after: reach - axis.after };
  });
  return conv(small, swapChannels(w.flip(axes.map((_, i) => i + 2)), group), group, mirrored);
}

/**
 * Gradient of the weight: dw[m, c, k] = Σₙₒ small[n, m, o]·large[n, c, o·stride + k·dilation − before], a convolution in
 * which batch and channels, strides and dilations change places.
 */
export function weightGradient(large: Tensor, small: Tensor, { axes, group }: Convolution): Tensor {
  const [batch, channels, ...sizes] = large.shape as [number, number, ...number[]];
  const width = channels / group;
  const spatial = sizes.map((_, i) => i + 3);
  const image = large
    .reshape([batch, group, width, ...sizes])
    .transpose([2, 1, 0, ...spatial])
    .reshape([width, group * batch, ...sizes]);
  const exchanged = axes.map((axis) => ({
    ...axis,
    stride: axis.dilation,
    dilation: axis.stride,
    after: exactAfter(axis),
  }));
  return conv(image, small.swapAxes(0, 1), group, exchanged).swapAxes(0, 1);
}

/** [out, in/group, …] → [in, out/group, …] */
function swapChannels(w: Tensor, group: number): Tensor {
  const [outputs, width, ...kernel] = w.shape as [number, number, ...number[]];
  return w
    .reshape([group, outputs / group, width, ...kernel])
    .swapAxes(1, 2)
    .reshape([group * width, outputs / group, ...kernel]);
}

type Step = Pick<WindowAxis, 'stride' | 'dilation' | 'before' | 'after'>;

/** Emits Conv; negative padding crops the input first. */
function conv(x: Tensor, w: Tensor, group: number, axes: readonly Step[]): Tensor {
  const crop = (padding: number): number => Math.min(padding, 0);
  const cropped = x.pad(
    [0, 0, ...axes.map((axis) => crop(axis.before))],
    [0, 0, ...axes.map((axis) => crop(axis.after))],
  );
  const pads = [...axes.map((axis) => axis.before), ...axes.map((axis) => axis.after)].map((p) => Math.max(p, 0));
  return x.graph.emit('Conv', [cropped, w], { ...stepAttributes(axes, group), pads: ints(pads) })[0] as Tensor;
}

/** Emits ConvTranspose; the remainder that no window of the convolution reached becomes output padding. */
function convTranspose(x: Tensor, w: Tensor, axes: readonly WindowAxis[], group: number): Tensor {
  const after = axes.map(exactAfter);
  const pads = [...axes.map((axis) => axis.before), ...after.map((padding) => Math.max(padding, 0))];
  const rest = after.map((padding) => Math.max(-padding, 0));
  const attributes = { ...stepAttributes(axes, group), pads: ints(pads), output_padding: ints(rest) };
  return x.graph.emit('ConvTranspose', [x, w], attributes)[0] as Tensor;
}

const stepAttributes = (axes: readonly Step[], group: number) => ({
  group: int(group),
  strides: ints(axes.map((axis) => axis.stride)),
  dilations: ints(axes.map((axis) => axis.dilation)),
});
