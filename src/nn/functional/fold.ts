/** Windows of images as columns, and back. */
import {
  type Attributes,
  constantOf,
  GlobalPercError,
  ints,
  type Shape,
  sizeOf,
  type Tensor,
} from '../../graph/index.js';
import { checkOptions } from '../../options/index.js';
import { type FoldOptions, foldChecks } from '../options/fold.js';
import { imagePattern, type PerAxis, perAxis, requireShape } from '../sizes.js';

const pair = (value: PerAxis, where: string, least = 1): readonly number[] => perAxis(2, least)(value, where);

/** Windows over an image. */
interface Windows {
  readonly kernel: readonly number[];
  readonly dilation: readonly number[];
  readonly padding: readonly number[];
  readonly stride: readonly number[];
}

function windowsOf(name: string, kernelSize: PerAxis, options: FoldOptions): Windows {
  const { dilation = 1, padding = 0, stride = 1 } = checkOptions(options, foldChecks, name);
  return {
    kernel: pair(kernelSize, `${name}: kernelSize`),
    dilation: pair(dilation, `${name}: dilation`),
    padding: pair(padding, `${name}: padding`, 0),
    stride: pair(stride, `${name}: stride`),
  };
}

/** What Conv and Col2Im share. */
const attributesOf = ({ dilation, padding, stride }: Windows): Attributes => ({
  dilations: ints(dilation),
  pads: ints([...padding, ...padding]),
  strides: ints(stride),
});

/** A reshape to `[…, ...rest]` whatever the batch is: an exported file then takes any. */
const behindBatch = (x: Tensor, rest: Shape): Tensor =>
  x.graph.emit('Reshape', [x, x.graph.ints([-1, ...rest])])[0] as Tensor;

/**
 * The windows of `[B, C, H, W]`, one column each: `[B, C·kernel, windows]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.unfold.html).
 * @throws GlobalPercError on another rank, and when a window does not fit.
 */
export function unfold(x: Tensor, kernelSize: PerAxis, options: FoldOptions = {}): Tensor {
  requireShape('unfold', x, imagePattern(2));
  const windows = windowsOf('unfold', kernelSize, options);
  const { kernel } = windows;
  // A convolution of each channel by itself, with one filter that holds a single 1 for each place of the window.
  const places = sizeOf(kernel);
  const picks = Array.from({ length: places ** 2 }, (_, i) => Number(i % places === Math.floor(i / places)));
  const filters = x.graph.constant(constantOf(x.dtype, [places, 1, ...kernel], picks));
  const single = behindBatch(x, [1, x.dim(2), x.dim(3)]);
  const [columns] = x.graph.emit('Conv', [single, filters], {
    kernel_shape: ints(kernel),
    ...attributesOf(windows),
  }) as [Tensor];
  return behindBatch(columns, [x.dim(1) * places, sizeOf(columns.shape.slice(2))]);
}

/**
 * An image `[B, C, H, W]` of outputSize that columns `[B, C·kernel, windows]` add up to
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.fold.html).
 * @throws GlobalPercError when the columns do not belong to such an image.
 */
export function fold(x: Tensor, outputSize: PerAxis, kernelSize: PerAxis, options: FoldOptions = {}): Tensor {
  const size = pair(outputSize, 'fold: outputSize');
  const windows = windowsOf('fold', kernelSize, options);
  const { kernel } = windows;
  const counts = size.map((side, i) => {
    const [dilation, padding, stride] = [windows.dilation[i], windows.padding[i], windows.stride[i]];
    const extent = (dilation as number) * ((kernel[i] as number) - 1) + 1;
    return Math.floor((side + 2 * (padding as number) - extent) / (stride as number)) + 1;
  });
  requireShape('fold', x, ['B', 'C·kernel', sizeOf(counts)]);
  if (x.dim(1) % sizeOf(kernel) !== 0) {
    throw new GlobalPercError(`fold: ${sizeOf(kernel)} elements of a window do not divide ${x.dim(1)} channels`, {
      code: 'invalid-argument',
    });
  }
  return x.graph.emit('Col2Im', [x, x.graph.ints(size), x.graph.ints(kernel)], attributesOf(windows))[0] as Tensor;
}
