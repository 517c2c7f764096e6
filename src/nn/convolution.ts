/** Convolutions and transposed convolutions over one to three spatial axes. */
import { GlobalPercError, int, ints, oneOf, type Shape, type Tensor } from '../graph/index.js';
import { fanInUniform } from './fan-in.js';
import { Module } from './module.js';
import { type PadMode, pad } from './padding.js';
import { Parameter } from './parameter.js';
import { imagePattern, type PerAxis, perAxis, requireCount, requireShape } from './sizes.js';

/** Options of the functional convolutions. */
export interface ConvolveOptions {
  /** Default 1. */
  readonly stride?: PerAxis;
  /** Zeros added at both ends; `same` keeps the size (stride 1), `valid` adds none. Default 0. */
  readonly padding?: PerAxis | 'same' | 'valid';
  /** Default 1. */
  readonly dilation?: PerAxis;
  /** Default 1. */
  readonly groups?: number;
}

/** Padding before and after each axis. `same` puts the odd element behind, as PyTorch does. */
function paddingOf(
  padding: PerAxis | 'same' | 'valid',
  kernel: Shape,
  dilation: readonly number[],
): [number[], number[]] {
  if (padding === 'same') {
    const total = kernel.map((size, i) => (size - 1) * (dilation[i] as number));
    return [total.map((count) => Math.floor(count / 2)), total.map((count) => Math.ceil(count / 2))];
  }
  const both = perAxis(padding === 'valid' ? 0 : padding, kernel.length, 'padding', 0);
  return [[...both], [...both]];
}

/**
 * x `[B, C, …]`, weight `[out, C/groups, …kernel]`, bias `[out]`; over as many spatial axes as the kernel has
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html).
 */
export function convolve(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvolveOptions = {}): Tensor {
  const kernel = weight.shape.slice(2);
  const dilation = perAxis(options.dilation ?? 1, kernel.length, 'dilation');
  const [before, after] = paddingOf(options.padding ?? 0, kernel, dilation);
  return x.graph.emit('Conv', [x, weight, bias], {
    kernel_shape: ints(kernel),
    strides: ints(perAxis(options.stride ?? 1, kernel.length, 'stride')),
    dilations: ints(dilation),
    pads: ints([...before, ...after]),
    group: int(options.groups ?? 1),
  })[0] as Tensor;
}

/** Options of the functional transposed convolutions. */
export interface ConvolveTransposedOptions {
  /** Default 1. */
  readonly stride?: PerAxis;
  /** Elements left out at both ends of the result. Default 0. */
  readonly padding?: PerAxis;
  /** Elements added at the end of the result. Default 0. */
  readonly outputPadding?: PerAxis;
  /** Default 1. */
  readonly groups?: number;
  /** Default 1. */
  readonly dilation?: PerAxis;
}

/**
 * x `[B, C, …]`, weight `[C, out/groups, …kernel]`, bias `[out]`: the gradient of a convolution with respect to its input
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html).
 */
export function convolveTransposed(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  { stride = 1, padding = 0, outputPadding = 0, groups = 1, dilation = 1 }: ConvolveTransposedOptions = {},
): Tensor {
  const kernel = weight.shape.slice(2);
  const each = (value: PerAxis, what: string, least = 1): readonly number[] =>
    perAxis(value, kernel.length, what, least);
  const pads = each(padding, 'padding', 0);
  return x.graph.emit('ConvTranspose', [x, weight, bias], {
    kernel_shape: ints(kernel),
    strides: ints(each(stride, 'stride')),
    dilations: ints(each(dilation, 'dilation')),
    pads: ints([...pads, ...pads]),
    output_padding: ints(each(outputPadding, 'outputPadding', 0)),
    group: int(groups),
  })[0] as Tensor;
}

/** What is put around the image before it is convolved. */
export type PaddingMode = 'zeros' | Exclude<PadMode, 'constant'>;

/** Options of the convolution layers. */
export interface ConvOptions extends ConvolveOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Default `zeros`. */
  readonly paddingMode?: PaddingMode;
}

/** @throws GlobalPercError when the groups do not divide the channels. */
function requireGroups(name: string, inChannels: number, outChannels: number, groups: number): void {
  for (const [what, count] of Object.entries({ inChannels, outChannels, groups }))
    requireCount(count, `${name}: ${what}`);
  if (inChannels % groups === 0 && outChannels % groups === 0) return;
  throw new GlobalPercError(
    `${name}: ${groups} groups do not divide ${inChannels} input and ${outChannels} output channels`,
  );
}

const requirePadding = (padding: PerAxis | 'same' | 'valid', axes: number, what: string) =>
  typeof padding === 'string' ? oneOf(padding, ['same', 'valid'], what) : perAxis(padding, axes, what, 0);

const requireChannels = (name: string, x: Tensor, channels: number, axes: number): void =>
  requireShape(name, x, imagePattern(axes, channels));

/** What the convolution layers share. */
abstract class Convolution extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly options: Required<ConvolveOptions>;
  readonly paddingMode: PaddingMode;

  constructor(axes: number, inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvOptions) {
    super();
    const { groups = 1, bias = true, paddingMode = 'zeros' } = options;
    const name = this.className;
    requireGroups(name, inChannels, outChannels, groups);
    const kernel = perAxis(kernelSize, axes, `${name}: kernelSize`);
    const stride = perAxis(options.stride ?? 1, axes, `${name}: stride`);
    const dilation = perAxis(options.dilation ?? 1, axes, `${name}: dilation`);
    const padding = requirePadding(options.padding ?? 0, axes, `${name}: padding`);
    if (padding === 'same' && stride.some((step) => step !== 1)) {
      throw new GlobalPercError(`${name}: padding 'same' needs stride 1, got ${stride.join(' × ')}`);
    }
    this.options = { stride, padding, dilation, groups };
    this.paddingMode = oneOf(paddingMode, ['zeros', 'reflect', 'replicate', 'circular'], `${name}: paddingMode`);
    this.weight = new Parameter([outChannels, inChannels / groups, ...kernel]);
    this.bias = bias ? new Parameter([outChannels]) : undefined;
    fanInUniform(this.weight, this.bias);
  }

  /** @throws GlobalPercError on another number of axes or channels, or an image smaller than the kernel. */
  override forward(x: Tensor): Tensor {
    const bias = this.bias && this.read(this.bias, x);
    const weight = this.read(this.weight, x);
    requireChannels(this.className, x, weight.dim(1) * this.options.groups, weight.rank - 2);
    if (this.paddingMode === 'zeros') return convolve(x, weight, bias, this.options);
    return convolve(this.padded(x, this.paddingMode), weight, bias, { ...this.options, padding: 0 });
  }

  private padded(x: Tensor, mode: PadMode): Tensor {
    const kernel = this.weight.shape.slice(2);
    const dilation = perAxis(this.options.dilation, kernel.length, 'dilation');
    const [before, after] = paddingOf(this.options.padding, kernel, dilation);
    const fromLastAxis = before.map((count, i) => [count, after[i] as number]).toReversed();
    return pad(x, fromLastAxis.flat(), { mode });
  }
}

/**
 * `[B, in, L]` → `[B, out, L′]`; weights and biases start uniform in ±1/√fanIn
 * (https://pytorch.org/docs/stable/generated/torch.nn.Conv1d.html).
 */
export class Conv1d extends Convolution {
  static readonly className = 'Conv1d';
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvOptions = {}) {
    super(1, inChannels, outChannels, kernelSize, options);
  }
}

/** `[B, in, H, W]` → `[B, out, H′, W′]`, as Conv1d (https://pytorch.org/docs/stable/generated/torch.nn.Conv2d.html). */
export class Conv2d extends Convolution {
  static readonly className = 'Conv2d';
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvOptions = {}) {
    super(2, inChannels, outChannels, kernelSize, options);
  }
}

/** `[B, in, D, H, W]` → `[B, out, D′, H′, W′]`, as Conv1d (https://pytorch.org/docs/stable/generated/torch.nn.Conv3d.html). */
export class Conv3d extends Convolution {
  static readonly className = 'Conv3d';
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvOptions = {}) {
    super(3, inChannels, outChannels, kernelSize, options);
  }
}

/** Options of the transposed convolution layers. */
export interface ConvTransposeOptions extends ConvolveTransposedOptions {
  /** Default true. */
  readonly bias?: boolean;
}

/** What the transposed convolution layers share. */
abstract class TransposedConvolution extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly options: ConvolveTransposedOptions;

  constructor(axes: number, inChannels: number, outChannels: number, kernelSize: PerAxis, given: ConvTransposeOptions) {
    super();
    const { bias = true, groups = 1 } = given;
    const name = this.className;
    requireGroups(name, inChannels, outChannels, groups);
    const kernel = perAxis(kernelSize, axes, `${name}: kernelSize`);
    const stride = perAxis(given.stride ?? 1, axes, `${name}: stride`);
    const dilation = perAxis(given.dilation ?? 1, axes, `${name}: dilation`);
    const padding = perAxis(given.padding ?? 0, axes, `${name}: padding`, 0);
    const outputPadding = perAxis(given.outputPadding ?? 0, axes, `${name}: outputPadding`, 0);
    if (outputPadding.some((count, i) => count >= Math.max(stride[i] as number, dilation[i] as number))) {
      throw new GlobalPercError(
        `${name}: outputPadding ${outputPadding.join(' × ')} should be below the stride or the dilation`,
      );
    }
    this.options = { stride, dilation, padding, outputPadding, groups };
    this.weight = new Parameter([inChannels, outChannels / groups, ...kernel]);
    this.bias = bias ? new Parameter([outChannels]) : undefined;
    // The fan is taken of the weight as it is, so here of outChannels; PyTorch does so too.
    fanInUniform(this.weight, this.bias);
  }

  /** @throws GlobalPercError on another number of channels. */
  override forward(x: Tensor): Tensor {
    const weight = this.read(this.weight, x);
    requireChannels(this.className, x, weight.dim(0), weight.rank - 2);
    return convolveTransposed(x, weight, this.bias && this.read(this.bias, x), this.options);
  }
}

/** `[B, in, L]` → `[B, out, L′]` (https://pytorch.org/docs/stable/generated/torch.nn.ConvTranspose1d.html) */
export class ConvTranspose1d extends TransposedConvolution {
  static readonly className = 'ConvTranspose1d';
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvTransposeOptions = {}) {
    super(1, inChannels, outChannels, kernelSize, options);
  }
}

/** `[B, in, H, W]` → `[B, out, H′, W′]` (https://pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html) */
export class ConvTranspose2d extends TransposedConvolution {
  static readonly className = 'ConvTranspose2d';
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvTransposeOptions = {}) {
    super(2, inChannels, outChannels, kernelSize, options);
  }
}

/** `[B, in, D, H, W]` → `[B, out, D′, H′, W′]` (https://pytorch.org/docs/stable/generated/torch.nn.ConvTranspose3d.html) */
export class ConvTranspose3d extends TransposedConvolution {
  static readonly className = 'ConvTranspose3d';
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvTransposeOptions = {}) {
    super(3, inChannels, outChannels, kernelSize, options);
  }
}
