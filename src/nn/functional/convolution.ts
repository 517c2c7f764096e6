/** Convolutions and transposed convolutions over one to three spatial axes. */
import { int, ints, type Tensor } from '../../graph/index.js';
import { checkOptions } from '../../options/index.js';
import {
  type ConvolveOptions,
  type ConvolveTransposedOptions,
  convolveChecks,
  convolveTransposedChecks,
  paddingOf,
} from '../options/convolution.js';
import { imagePattern, perAxis, requireShape } from '../sizes.js';

/** A convolution of x `[B, C, …]`, weight `[out, C/groups, …kernel]`, bias `[out]` over so many spatial axes. */
const convolution =
  (axes: 1 | 2 | 3) =>
  (x: Tensor, weight: Tensor, bias?: Tensor, options: ConvolveOptions = {}): Tensor => {
    const name = `conv${axes}d`;
    const checked = checkOptions(options, convolveChecks(axes), name);
    const { stride = 1, padding = 0, dilation: given = 1, groups = 1 } = checked;
    requireShape(`${name}: weight`, weight, imagePattern(axes));
    requireShape(name, x, imagePattern(axes, weight.dim(1) * groups));
    const kernel = weight.shape.slice(2);
    const dilation = perAxis(axes)(given, `${name}: dilation`);
    const [before, after] = paddingOf(padding, kernel, dilation);
    return x.graph.emit('Conv', [x, weight, bias], {
      kernel_shape: ints(kernel),
      strides: ints(perAxis(axes)(stride, `${name}: stride`)),
      dilations: ints(dilation),
      pads: ints([...before, ...after]),
      group: int(groups),
    })[0] as Tensor;
  };

/** x `[B, C, …]`, weight `[C, out/groups, …kernel]`, bias `[out]`: the gradient of a convolution with respect to its input. */
const transposedConvolution =
  (axes: 1 | 2 | 3) =>
  (x: Tensor, weight: Tensor, bias?: Tensor, options: ConvolveTransposedOptions = {}): Tensor => {
    const name = `convTranspose${axes}d`;
    const checked = checkOptions(options, convolveTransposedChecks(axes), name);
    const { stride = 1, padding = 0, outputPadding = 0, groups = 1, dilation = 1 } = checked;
    requireShape(`${name}: weight`, weight, imagePattern(axes));
    requireShape(name, x, imagePattern(axes, weight.dim(0)));
    const pads = perAxis(axes, 0)(padding, `${name}: padding`);
    return x.graph.emit('ConvTranspose', [x, weight, bias], {
      kernel_shape: ints(weight.shape.slice(2)),
      strides: ints(perAxis(axes)(stride, `${name}: stride`)),
      dilations: ints(perAxis(axes)(dilation, `${name}: dilation`)),
      pads: ints([...pads, ...pads]),
      output_padding: ints(perAxis(axes, 0)(outputPadding, `${name}: outputPadding`)),
      group: int(groups),
    })[0] as Tensor;
  };

/**
 * x `[B, C, L]`, weight `[out, C/groups, …kernel]`, bias `[out]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.conv1d.html).
 * @throws GlobalPercError on another rank or number of channels, and when the kernel does not fit.
 */
export const conv1d = convolution(1);

/**
 * x `[B, C, H, W]`, weight `[out, C/groups, …kernel]`, bias `[out]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html).
 * @throws GlobalPercError on another rank or number of channels, and when the kernel does not fit.
 */
export const conv2d = convolution(2);

/**
 * x `[B, C, D, H, W]`, weight `[out, C/groups, …kernel]`, bias `[out]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.conv3d.html).
 * @throws GlobalPercError on another rank or number of channels, and when the kernel does not fit.
 */
export const conv3d = convolution(3);

/**
 * x `[B, C, L]`, weight `[C, out/groups, …kernel]`, bias `[out]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose1d.html).
 * @throws GlobalPercError on another rank or number of channels.
 */
export const convTranspose1d = transposedConvolution(1);

/**
 * x `[B, C, H, W]`, weight `[C, out/groups, …kernel]`, bias `[out]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html).
 * @throws GlobalPercError on another rank or number of channels.
 */
export const convTranspose2d = transposedConvolution(2);

/**
 * x `[B, C, D, H, W]`, weight `[C, out/groups, …kernel]`, bias `[out]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose3d.html).
 * @throws GlobalPercError on another rank or number of channels.
 */
export const convTranspose3d = transposedConvolution(3);
