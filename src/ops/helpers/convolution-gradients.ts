/**
 * What the gradients of Conv and ConvTranspose are made of. Both are described by the windows of a convolution that
 * leads from a larger to a smaller image: small[o] = Σₖ w[k]·large[o·stride + k·dilation − before].
 */
import {
  type AttributeReader,
  byteLengthOf,
  concat,
  GlobalPercError,
  int,
  ints,
  type Shape,
  sameShape,
  sizeOf,
  type Tensor,
} from '../../graph/index.js';
import { emptyOutput, exactAfter, extent, splitPadding, type WindowAxis, windowAxes, windowSteps } from './windows.js';

/** Windows and channel groups of a convolution. */
export interface Convolution {
  readonly axes: readonly WindowAxis[];
  readonly group: number;
}

/** The convolution of a Conv node: w is [out, in/group, …kernel]. */
export function convolutionOf(attributes: AttributeReader, x: Shape, w: Shape): Convolution {
  const group = attributes.int('group', 1);
  requireKernel(attributes, x, w);
  const [channels, taken] = [x[1] as number, (w[1] as number) * group];
  if (channels !== taken) {
    throw new GlobalPercError(
      `the weight [${w}] in ${group} groups takes ${taken} channels, the input has ${channels}`,
      { code: 'invalid-argument' },
    );
  }
  return { axes: windowAxes(attributes, x, w.slice(2)), group };
}

/** @throws GlobalPercError where the weight has other dimensions than the input, or than the node says. */
function requireKernel(attributes: AttributeReader, x: Shape, w: Shape): void {
  const named = attributes.ints('kernel_shape') ?? w.slice(2);
  if (x.length === w.length && x.length > 2 && sameShape(named, w.slice(2))) return;
  const message = `a weight [${w}] and a kernel [${named}] do not fit an input of shape [${x}]`;
  throw new GlobalPercError(message, { code: 'invalid-argument' });
}

/** The convolution whose input gradient a ConvTranspose node computes: w is [in, out/group, …kernel]. */
export function transposedConvolutionOf(attributes: AttributeReader, x: Shape, w: Shape): Convolution {
  requireKernel(attributes, x, w);
  if (x[1] !== w[0])
    throw new GlobalPercError(`the weight [${w}] takes ${w[0]} channels, the input has ${x[1]}`, {
      code: 'invalid-argument',
    });
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
  if (axes.some(({ size }) => size < 1)) throw emptyOutput(axes.map(({ size }) => size));
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

/** From so many places on, a convolution saves more than rotating its weight takes: the transposed one takes 1.8 times as long, at 1024 places 1.4 times. */
const WORTH_ROTATING = 2 ** 11;

/** Of a weight of so few bytes a second one takes nothing to speak of. */
const SMALL_WEIGHT = 2 ** 20;

/**
 * Gradient of the large image. With stride 1 it is again a convolution, of the small image's gradient with the weight
 * rotated by 180° and its channels swapped, padded by dilation·(kernel−1) − padding; else a transposed convolution. So it is at few places, too, with a large
 * weight that stays in its file: it is read there as it lies, where a rotated one would be a copy, or be made anew at every step.
 */
export function largeGradient(small: Tensor, w: Tensor, { axes, group }: Convolution): Tensor {
  const { constant } = w.value;
  const liesInFile = constant?.place !== undefined && byteLengthOf(constant) > SMALL_WEIGHT;
  const isCheapest = liesInFile && sizeOf(small.shape.slice(2)) < WORTH_ROTATING;
  if (axes.some((axis) => axis.stride !== 1) || isCheapest) return convTranspose(small, w, axes, group);
  return conv(small, swapChannels(w.flip(axes.map((_, i) => i + 2)), group), group, axes.map(mirrored));
}

/** Shifted images of at most this many elements are multiplied at once: large products are fast, small ones save memory. */
const STACK_LIMIT = 2 ** 21;

/**
 * Gradient of the weight: dw[m, c, k] = Σₙₒ small[n, m, o]·large[n, c, o·stride + k·dilation − before]. Each kernel element k
 * sees the large image shifted by k·dilation, so dw is the product of the small image with the shifted ones: two to three
 * times as fast as a convolution that takes the small image for a kernel.
 */
export function weightGradient(large: Tensor, small: Tensor, { axes, group }: Convolution): Tensor {
  const kernel = axes.map((axis) => axis.kernel);
  const shiftsSmall = small.dim(1) < large.dim(1) && axes.every((axis) => axis.stride === 1);
  const offsets = kernelOffsets(axes);
  const products = shiftsSmall
    ? shiftedProducts(small, large, { axes: axes.map(mirrored), group }, offsets.toReversed())
    : shiftedProducts(large, small, { axes, group }, offsets);
  return products.transpose(shiftsSmall ? [0, 3, 1, 2] : [0, 1, 3, 2]).reshape([small.dim(1), -1, ...kernel]);
}

/** The same windows seen from the small image, with stride 1. */
const mirrored = (axis: WindowAxis): WindowAxis => {
  const reach = extent(axis) - 1;
  return { ...axis, size: axis.count, count: axis.size, before: reach - axis.before, after: reach - axis.after };
};

/** Products of an image with what kernel elements see of another, added up over samples and places: [group, channels, elements, channels of the other]. */
function shiftedProducts(
  other: Tensor,
  image: Tensor,
  { axes, group }: Convolution,
  offsets: readonly (readonly number[])[],
): Tensor {
  const [batch, channels] = other.shape as [number, number];
  const width = channels / group;
  const padded = other.pad([0, 0, ...axes.map((axis) => axis.before)], [0, 0, ...axes.map(exactAfter)]);
  const positions = sizeOf(axes.map((axis) => axis.count));
  const fixed = image.reshape([batch, group, -1, positions]);
  const perProduct = Math.max(1, Math.floor(STACK_LIMIT / (batch * channels * positions)));
  const products = chunked(offsets, perProduct).map((some) => {
    const images = some.map((offset) => shifted(padded, axes, offset).reshape([batch, group, width, positions]));
    return fixed.matmul(concat(images, 2).swapAxes(2, 3));
  });
  return concat(products, 3)
    .sum([0])
    .reshape([group, fixed.dim(2), offsets.length, width]);
}

/** Every element of the kernel by its indices, the last axis fastest. */
const kernelOffsets = (axes: readonly WindowAxis[]): number[][] =>
  axes.reduce<number[][]>(
    (offsets, { kernel }) => offsets.flatMap((offset) => Array.from({ length: kernel }, (_, k) => [...offset, k])),
    [[]],
  );

/** What one element of the kernel sees of the padded image. */
function shifted(padded: Tensor, axes: readonly WindowAxis[], offset: readonly number[]): Tensor {
  const starts = axes.map((axis, i) => (offset[i] as number) * axis.dilation);
  const ends = axes.map((axis, i) => (starts[i] as number) + (axis.count - 1) * axis.stride + 1);
  const whole = axes.every((_, i) => starts[i] === 0 && ends[i] === padded.dim(i + 2));
  const strides = axes.map((axis) => axis.stride);
  if (whole && strides.every((stride) => stride === 1)) return padded;
  return padded.slice(
    axes.map((_, i) => i + 2),
    starts,
    ends,
    strides,
  );
}

const chunked = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));

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

/**
 * Emits ConvTranspose. With a stride it gives the largest image that has so many windows, of which the rest is cut off: which of its sizes an image has is no
 * attribute then, and images of all sizes share a graph.
 */
function convTranspose(x: Tensor, w: Tensor, axes: readonly WindowAxis[], group: number): Tensor {
  const after = axes.map((axis) => Math.min(exactAfter(axis), axis.after - axis.stride + 1));
  const pads = [...axes.map((axis) => axis.before), ...after.map((padding) => Math.max(padding, 0))];
  const rest = after.map((padding) => Math.max(-padding, 0));
  const attributes = { ...stepAttributes(axes, group), pads: ints(pads), output_padding: ints(rest) };
  const whole = x.graph.emit('ConvTranspose', [x, w], attributes)[0] as Tensor;
  if (axes.every(({ stride }) => stride === 1)) return whole;
  return whole.slice(
    axes.map((_, i) => i + 2),
    axes.map(() => 0),
    axes.map(({ size }) => size),
  );
}

const stepAttributes = (axes: readonly Step[], group: number) => ({
  group: int(group),
  strides: ints(axes.map((axis) => axis.stride)),
  dilations: ints(axes.map((axis) => axis.dilation)),
});
