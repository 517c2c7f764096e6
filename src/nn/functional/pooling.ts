/** Pooling over windows. */
import { type Attributes, GlobalPercError, int, ints, sizeOf, type Tensor } from '../../graph/index.js';
import { checkOptions, number } from '../../options/index.js';
import { type AvgPoolOptions, type LPPoolOptions, type MaxPoolOptions, poolChecks } from '../options/pooling.js';
import { imagePattern, type PerAxis, perAxis, requireShape } from '../sizes.js';

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
  const kernel = perAxis(axes)(kernelSize, `${name}: kernelSize`);
  const stride = perAxis(axes)(options.stride ?? kernel, `${name}: stride`);
  const dilation = perAxis(axes)(options.dilation ?? 1, `${name}: dilation`);
  const before = perAxis(axes, 0)(options.padding ?? 0, `${name}: padding`);
  const extents = kernel.map((size, i) => (size - 1) * (dilation[i] as number) + 1);
  if (before.some((count, i) => 2 * count > (extents[i] as number))) {
    throw new GlobalPercError(
      `${name}: padding ${before.join(' × ')} is more than half a window of ${extents.join(' × ')}`,
      { code: 'invalid-option' },
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

function maxPool(name: string, x: Tensor, kernelSize: PerAxis, options: MaxPoolOptions): Tensor {
  const windows = windowsOf(name, x, kernelSize, checkOptions(options, poolChecks.max(x.rank - 2), name));
  const { kernel, before, after } = windows;
  // ONNX Runtime takes less padding than the kernel has elements; dilated windows may have more.
  const wide = [...before, ...after].some((count, i) => count >= (kernel[i % kernel.length] as number));
  return emitPool('MaxPool', ...(wide ? enclosed(x, windows, Number.NEGATIVE_INFINITY) : ([x, windows] as const)));
}

function avgPool(name: string, x: Tensor, kernelSize: PerAxis, options: AvgPoolOptions): Tensor {
  const checked = checkOptions(options, poolChecks.avg(x.rank - 2), name);
  const { countIncludePad = true, divisorOverride, ...pool } = checked;
  const windows = windowsOf(name, x, kernelSize, pool);
  if (divisorOverride !== undefined) {
    return emitPool('AveragePool', ...enclosed(x, windows, 0)).mul(sizeOf(windows.kernel) / divisorOverride);
  }
  if (!countIncludePad) return emitPool('AveragePool', x, windows);
  if (!pool.ceilMode) return emitPool('AveragePool', x, windows, { count_include_pad: int(1) });
  // What the last window covers beyond the padding does not count.
  const counted = windows.after.map((count, i) => Math.min(count, windows.before[i] as number));
  return emitPool('AveragePool', ...enclosed(x, windows, 0, counted));
}

/** (Σ xᵖ)^(1/p) over windows; 0, without gradient, where the sum is 0. */
function lpPool(name: string, x: Tensor, normType: number, kernelSize: PerAxis, options: LPPoolOptions): Tensor {
  const kernel = perAxis(x.rank - 2)(kernelSize, `${name}: kernelSize`);
  const power = number()(normType, `${name}: normType`);
  const powers = power === 1 ? x : power === 2 ? x.square() : x.pow(power);
  const sums = avgPool(name, powers, kernel, options).mul(sizeOf(kernel));
  const isZero = sums.equal(0);
  return isZero.where(0, isZero.where(1, sums).pow(1 / power));
}

/** A pool for tensors with so many spatial axes. */
const overAxes =
  <Options extends object>(
    name: string,
    axes: number,
    pool: (name: string, x: Tensor, kernelSize: PerAxis, options: Options) => Tensor,
  ) =>
  (x: Tensor, kernelSize: PerAxis, options: Options = {} as Options): Tensor => {
    requireShape(name, x, imagePattern(axes));
    return pool(name, x, kernelSize, options);
  };

const lpOverAxes =
  (name: string, axes: number) =>
  (x: Tensor, normType: number, kernelSize: PerAxis, options: LPPoolOptions = {}): Tensor => {
    requireShape(name, x, imagePattern(axes));
    return lpPool(name, x, normType, kernelSize, options);
  };

/**
 * Maximum over windows of `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool1d.html).
 * @throws GlobalPercError on another rank, when a window does not fit, or the padding is more than half of it.
 */
export const maxPool1d = overAxes<MaxPoolOptions>('maxPool1d', 1, maxPool);

/**
 * Maximum over windows of `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html).
 * @throws GlobalPercError on another rank, when a window does not fit, or the padding is more than half of it.
 */
export const maxPool2d = overAxes<MaxPoolOptions>('maxPool2d', 2, maxPool);

/**
 * Maximum over windows of `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool3d.html).
 * @throws GlobalPercError on another rank, when a window does not fit, or the padding is more than half of it.
 */
export const maxPool3d = overAxes<MaxPoolOptions>('maxPool3d', 3, maxPool);

/**
 * Mean over windows of `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool1d.html).
 * @throws GlobalPercError on another rank, when a window does not fit, or the padding is more than half of it.
 */
export const avgPool1d = overAxes<AvgPoolOptions>('avgPool1d', 1, avgPool);

/**
 * Mean over windows of `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool2d.html).
 * @throws GlobalPercError on another rank, when a window does not fit, or the padding is more than half of it.
 */
export const avgPool2d = overAxes<AvgPoolOptions>('avgPool2d', 2, avgPool);

/**
 * Mean over windows of `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool3d.html).
 * @throws GlobalPercError on another rank, when a window does not fit, or the padding is more than half of it.
 */
export const avgPool3d = overAxes<AvgPoolOptions>('avgPool3d', 3, avgPool);

/**
 * (Σ xᵖ)^(1/p) over windows of `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool1d.html); 0, without gradient, where the sum is 0.
 * @throws GlobalPercError on another rank, and when a window does not fit.
 */
export const lpPool1d = lpOverAxes('lpPool1d', 1);

/**
 * (Σ xᵖ)^(1/p) over windows of `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool2d.html); 0, without gradient, where the sum is 0.
 * @throws GlobalPercError on another rank, and when a window does not fit.
 */
export const lpPool2d = lpOverAxes('lpPool2d', 2);

/**
 * (Σ xᵖ)^(1/p) over windows of `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool3d.html); 0, without gradient, where the sum is 0.
 * @throws GlobalPercError on another rank, and when a window does not fit.
 */
export const lpPool3d = lpOverAxes('lpPool3d', 3);
