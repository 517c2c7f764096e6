/** Convolutions and transposed convolutions over one to three spatial axes, as layers. */
import { GlobalPercError, type Tensor } from '../../graph/index.js';
import { boolean, type Checks, checkOptions, count, oneOf } from '../../options/index.js';
import { fanInUniform } from '../fan-in.js';
import {
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
} from '../functional/convolution.js';
import { type PadMode, pad } from '../functional/padding.js';
import { Module } from '../module.js';
import {
  type ConvolveOptions,
  type ConvolveTransposedOptions,
  convolveChecks,
  convolveTransposedChecks,
  paddingOf,
} from '../options/convolution.js';
import { Parameter } from '../parameter.js';
import { imagePattern, type PerAxis, perAxis, requireDivisor, requireShape } from '../sizes.js';

/** What is put around the image before it is convolved. */
export type PaddingMode = 'zeros' | Exclude<PadMode, 'constant'>;

/** Options of the convolution layers. */
export interface ConvOptions extends ConvolveOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Default `zeros`. */
  readonly paddingMode?: PaddingMode;
}

const convChecks = (axes: number): Checks<ConvOptions> => ({
  ...convolveChecks(axes),
  bias: boolean,
  paddingMode: oneOf('zeros', 'reflect', 'replicate', 'circular'),
});

/** Options of a convolution with one value per axis. */
interface Windows {
  readonly stride: readonly number[];
  readonly padding: readonly number[] | 'same' | 'valid';
  readonly dilation: readonly number[];
  readonly groups: number;
}

/** By number of axes. */
const CONVOLUTIONS = { 1: conv1d, 2: conv2d, 3: conv3d };
const TRANSPOSED = { 1: convTranspose1d, 2: convTranspose2d, 3: convTranspose3d };

/** Channels and kernel of a layer, checked. @throws GlobalPercError when the groups do not divide the channels. */
function requireChannels(name: string, inChannels: number, outChannels: number, groups: number): void {
  count(inChannels, `${name}: inChannels`);
  count(outChannels, `${name}: outChannels`);
  const channels = `${inChannels} input and ${outChannels} output channels`;
  requireDivisor(name, groups, 'groups', channels, inChannels, outChannels);
}

/** What the convolution layers share. */
abstract class Convolution extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly number[];
  readonly options: Windows;
  readonly paddingMode: PaddingMode;
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(axes: number, inChannels: number, outChannels: number, kernelSize: PerAxis, given: ConvOptions) {
    super();
    const name = this.className;
    const { bias = true, paddingMode = 'zeros', ...options } = checkOptions(given, convChecks(axes), name);
    const each = perAxis(axes, 0);
    const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
    requireChannels(name, inChannels, outChannels, groups);
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = perAxis(axes)(kernelSize, `${name}: kernelSize`);
    this.paddingMode = paddingMode;
    this.options = {
      stride: each(stride, `${name}: stride`),
      padding: typeof padding === 'string' ? padding : each(padding, `${name}: padding`),
      dilation: each(dilation, `${name}: dilation`),
      groups,
    };
    if (padding === 'same' && this.options.stride.some((step) => step !== 1)) {
      throw new GlobalPercError(`${name}: padding 'same' needs stride 1, got ${this.options.stride.join(' × ')}`, {
        code: 'invalid-option',
      });
    }
    this.weight = new Parameter([outChannels, inChannels / groups, ...this.kernelSize]);
    this.bias = bias ? new Parameter([outChannels]) : undefined;
    fanInUniform(this.weight, this.bias);
  }

  /** @throws GlobalPercError on another number of axes or channels, or an image smaller than the kernel. */
  override forward(x: Tensor): Tensor {
    const axes = this.kernelSize.length as 1 | 2 | 3;
    requireShape(this.className, x, imagePattern(axes, this.inChannels));
    const [weight, bias] = [this.read(this.weight, x), this.bias && this.read(this.bias, x)];
    const convolution = CONVOLUTIONS[axes];
    if (this.paddingMode === 'zeros') return convolution(x, weight, bias, this.options);
    return convolution(this.padded(x, this.paddingMode), weight, bias, { ...this.options, padding: 0 });
  }

  private padded(x: Tensor, mode: PadMode): Tensor {
    const [before, after] = paddingOf(this.options.padding, this.kernelSize, this.options.dilation);
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

const convTransposeChecks = (axes: number): Checks<ConvTransposeOptions> => ({
  ...convolveTransposedChecks(axes),
  bias: boolean,
});

/** What the transposed convolution layers share. */
abstract class TransposedConvolution extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly number[];
  readonly options: ConvolveTransposedOptions;
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(axes: number, inChannels: number, outChannels: number, kernelSize: PerAxis, given: ConvTransposeOptions) {
    super();
    const name = this.className;
    const { bias = true, ...options } = checkOptions(given, convTransposeChecks(axes), name);
    const { groups = 1, stride = 1, dilation = 1, outputPadding = 0 } = options;
    requireChannels(name, inChannels, outChannels, groups);
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = perAxis(axes)(kernelSize, `${name}: kernelSize`);
    this.options = options;
    const each = perAxis(axes, 0);
    const [steps, spread] = [each(stride, name), each(dilation, name)];
    const added = each(outputPadding, `${name}: outputPadding`);
    if (added.some((size, i) => size >= Math.max(steps[i] as number, spread[i] as number))) {
      throw new GlobalPercError(
        `${name}: outputPadding ${added.join(' × ')} should be below the stride or the dilation`,
        {
          code: 'invalid-option',
        },
      );
    }
    this.weight = new Parameter([inChannels, outChannels / groups, ...this.kernelSize]);
    this.bias = bias ? new Parameter([outChannels]) : undefined;
    // The fan is taken of the weight as it is, so here of outChannels; PyTorch does so too.
    fanInUniform(this.weight, this.bias);
  }

  /** @throws GlobalPercError on another number of axes or channels. */
  override forward(x: Tensor): Tensor {
    const axes = this.kernelSize.length as 1 | 2 | 3;
    requireShape(this.className, x, imagePattern(axes, this.inChannels));
    return TRANSPOSED[axes](x, this.read(this.weight, x), this.bias && this.read(this.bias, x), this.options);
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
