/** Pooling over windows, or into as many parts as the output has elements. */
import { type Attributes, constantOf, GlobalPercError, int, ints, sizeOf, type Tensor } from '../graph/index.js';
import { Module } from './module.js';
import { imagePattern, type PerAxis, perAxis, requireShape } from './sizes.js';

/** Options of every pool. */
export interface PoolOptions {
  /** Default: the size of the window. */
  readonly stride?: PerAxis | undefined;
  /** At both ends; at most half a window. Default 0. */
  readonly padding?: PerAxis;
  /** Keeps a last window that reaches beyond the padding, unless it starts in the padding behind. Default false. */
  readonly ceilMode?: boolean;
}

/** Options of the maximum pools. */
export interface MaxPoolOptions extends PoolOptions {
  /** Distance between the elements of a window. Default 1. */
  readonly dilation?: PerAxis;
}

/** Options of the average pools. */
export interface AvgPoolOptions extends PoolOptions {
  /** Counts the padding as elements of a window, but never what lies beyond it. Default true. */
  readonly countIncludePad?: boolean;
  /** What the sums are divided by, instead of the number of elements. */
  readonly divisorOverride?: number | undefined;
}

/** Windows over the spatial axes. */
interface Windows {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly before: readonly number[];
  /** With `ceilMode` up to the end of the last window, which may lie beyond the padding or before the input's end. */
  readonly after: readonly number[];
}

/** @throws GlobalPercError when the padding is more than half a window. */
function windowsOf(name: string, x: Tensor, kernelSize: PerAxis, options: MaxPoolOptions): Windows {
  const axes = x.rank - 2;
  const kernel = perAxis(kernelSize, axes, `${name}: kernelSize`);
  const stride = perAxis(options.stride ?? kernel, axes, `${name}: stride`);
  const dilation = perAxis(options.dilation ?? 1, axes, `${name}: dilation`);
  const before = perAxis(options.padding ?? 0, axes, `${name}: padding`, 0);
  const extents = kernel.map((size, i) => (size - 1) * (dilation[i] as number) + 1);
  if (before.some((count, i) => 2 * count > (extents[i] as number))) {
    throw new GlobalPercError(
      `${name}: padding ${before.join(' × ')} is more than half a window of ${extents.join(' × ')}`,
    );
  }
  const end = (count: number, i: number): number =>
    options.ceilMode ? lastEnd(x.dim(i + 2), count, stride[i] as number, extents[i] as number) : count;
  return { kernel, stride, dilation, before, after: before.map(end) };
}

/**
 * How far behind the input the last window ends when they are counted up as PyTorch does: one may reach beyond the
 * padding, but not start in it. ONNX's `ceil_mode` is not used, since its versions differ in just that.
 */
function lastEnd(size: number, padding: number, stride: number, extent: number): number {
  const steps = Math.ceil((size + 2 * padding - extent) / stride);
  const last = steps * stride >= size + padding ? steps - 1 : steps;
  return last * stride + extent - size - padding;
}

/** The input with its border in place, up to `after` of it, and the windows with the rest. */
function enclosed(x: Tensor, windows: Windows, value: number, after = windows.after): [Tensor, Windows] {
  const rest = windows.after.map((count, i) => count - (after[i] as number));
  const image = x.pad([0, 0, ...windows.before], [0, 0, ...after], value);
  return [image, { ...windows, before: rest.map(() => 0), after: rest }];
}

function emitPool(op: string, x: Tensor, windows: Windows, attributes: Attributes = {}): Tensor {
  const { kernel, stride, dilation, before, after } = windows;
  const cut = after.map((count) => Math.min(count, 0));
  const image = x.pad([0, 0, ...cut.map(() => 0)], [0, 0, ...cut]);
  return x.graph.emit(op, [image], {
    kernel_shape: ints(kernel),
    strides: ints(stride),
    dilations: ints(dilation),
    pads: ints([...before, ...after.map((count) => Math.max(count, 0))]),
    ...attributes,
  })[0] as Tensor;
}

/**
 * Maximum over windows of `[B, C, …]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html).
 * @throws GlobalPercError when a window does not fit, or the padding is more than half of it.
 */
export function maxPool(x: Tensor, kernelSize: PerAxis, options: MaxPoolOptions = {}): Tensor {
  const windows = windowsOf('maxPool', x, kernelSize, options);
  const { kernel, before, after } = windows;
  // ONNX Runtime takes less padding than the kernel has elements; dilated windows may have more.
  const wide = [...before, ...after].some((count, i) => count >= (kernel[i % kernel.length] as number));
  return emitPool('MaxPool', ...(wide ? enclosed(x, windows, Number.NEGATIVE_INFINITY) : ([x, windows] as const)));
}

/**
 * Mean over windows of `[B, C, …]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool2d.html).
 * @throws GlobalPercError when a window does not fit, or the padding is more than half of it.
 */
export function avgPool(x: Tensor, kernelSize: PerAxis, options: AvgPoolOptions = {}): Tensor {
  const { countIncludePad = true, divisorOverride, ...pool } = options;
  const windows = windowsOf('avgPool', x, kernelSize, pool);
  if (divisorOverride === 0) throw new GlobalPercError('avgPool: divisorOverride should not be 0');
  if (divisorOverride !== undefined) {
    return emitPool('AveragePool', ...enclosed(x, windows, 0)).mul(sizeOf(windows.kernel) / divisorOverride);
  }
  if (!countIncludePad) return emitPool('AveragePool', x, windows);
  if (!pool.ceilMode) return emitPool('AveragePool', x, windows, { count_include_pad: int(1) });
  // What the last window covers beyond the padding does not count.
  const counted = windows.after.map((count, i) => Math.min(count, windows.before[i] as number));
  return emitPool('AveragePool', ...enclosed(x, windows, 0, counted));
}

/** Height and width of an adaptive pool's output; null keeps the input's. */
export type AdaptiveSize = number | null | readonly (number | null)[];

/**
 * Output i of n along an axis of s elements is the mean from ⌊i·s/n⌋ up to ⌈(i + 1)·s/n⌉: `[B, C, H, W]` → `[B, C, h, w]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool2d.html).
 * @throws GlobalPercError unless both sizes are positive integers.
 */
export function adaptiveAvgPool2d(x: Tensor, outputSize: AdaptiveSize): Tensor {
  const wanted = typeof outputSize === 'object' && outputSize ? outputSize : [outputSize, outputSize];
  const sizes = wanted.map((size, i) => size ?? x.dim(i + 2));
  const [rows, columns] = perAxis(sizes, 2, 'adaptiveAvgPool2d: outputSize') as [number, number];
  if (rows === 1 && columns === 1) return x.mean([2, 3], true);
  if (x.dim(2) % rows === 0 && x.dim(3) % columns === 0) return avgPool(x, [x.dim(2) / rows, x.dim(3) / columns]);
  return meansMatrix(x, 2, rows)
    .matmul(x)
    .matmul(meansMatrix(x, 3, columns).transpose([1, 0]));
}

/** The means along one axis as a matrix [count, size]. */
function meansMatrix(x: Tensor, axis: number, count: number): Tensor {
  const size = x.dim(axis);
  const rows = Array.from({ length: count }, (_, i) => {
    const [start, end] = [Math.floor((i * size) / count), Math.ceil(((i + 1) * size) / count)];
    return Array.from({ length: size }, (_, place) => (place >= start && place < end ? 1 / (end - start) : 0));
  });
  return x.graph.constant(constantOf(x.dtype, [count, size], rows.flat()));
}

/** What the pooling layers share. */
abstract class Pool<Options extends PoolOptions> extends Module {
  readonly kernelSize: readonly number[];
  readonly options: Options;

  /** @throws GlobalPercError unless there is one window size, or one per axis. */
  constructor(axes: number, kernelSize: PerAxis, options: Options) {
    super();
    this.kernelSize = perAxis(kernelSize, axes, `${this.className}: kernelSize`);
    this.options = options;
  }

  /** @throws GlobalPercError on another rank, and where a window does not fit. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, imagePattern(this.kernelSize.length));
    return this.pooled(x);
  }

  protected abstract pooled(x: Tensor): Tensor;
}

abstract class MaxPool extends Pool<MaxPoolOptions> {
  protected override pooled(x: Tensor): Tensor {
    return maxPool(x, this.kernelSize, this.options);
  }
}

/** Maximum over windows of `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.MaxPool1d.html). */
export class MaxPool1d extends MaxPool {
  static readonly className = 'MaxPool1d';
  constructor(kernelSize: PerAxis, options: MaxPoolOptions = {}) {
    super(1, kernelSize, options);
  }
}

/** Maximum over windows of `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html). */
export class MaxPool2d extends MaxPool {
  static readonly className = 'MaxPool2d';
  constructor(kernelSize: PerAxis, options: MaxPoolOptions = {}) {
    super(2, kernelSize, options);
  }
}

/** Maximum over windows of `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.MaxPool3d.html). */
export class MaxPool3d extends MaxPool {
  static readonly className = 'MaxPool3d';
  constructor(kernelSize: PerAxis, options: MaxPoolOptions = {}) {
    super(3, kernelSize, options);
  }
}

abstract class AvgPool extends Pool<AvgPoolOptions> {
  protected override pooled(x: Tensor): Tensor {
    return avgPool(x, this.kernelSize, this.options);
  }
}

/** Mean over windows of `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.AvgPool1d.html). */
export class AvgPool1d extends AvgPool {
  static readonly className = 'AvgPool1d';
  constructor(kernelSize: PerAxis, options: Omit<AvgPoolOptions, 'divisorOverride'> = {}) {
    super(1, kernelSize, options);
  }
}

/** Mean over windows of `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html). */
export class AvgPool2d extends AvgPool {
  static readonly className = 'AvgPool2d';
  constructor(kernelSize: PerAxis, options: AvgPoolOptions = {}) {
    super(2, kernelSize, options);
  }
}

/** Mean over windows of `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.AvgPool3d.html). */
export class AvgPool3d extends AvgPool {
  static readonly className = 'AvgPool3d';
  constructor(kernelSize: PerAxis, options: AvgPoolOptions = {}) {
    super(3, kernelSize, options);
  }
}

/**
 * Means of as many parts as the output has elements: `[B, C, H, W]` → `[B, C, h, w]`; null keeps a size
 * (https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html).
 */
export class AdaptiveAvgPool2d extends Module {
  static readonly className = 'AdaptiveAvgPool2d';
  readonly outputSize: AdaptiveSize;

  constructor(outputSize: AdaptiveSize) {
    super();
    this.outputSize = outputSize;
  }

  /** @throws GlobalPercError on another rank, and unless both sizes are positive integers. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, imagePattern(2));
    return adaptiveAvgPool2d(x, this.outputSize);
  }
}
