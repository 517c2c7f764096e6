/** Convolutions. Kernels are HWIO in Keras and OIHW here. */
import { nn, type Tensor } from '../../../index.js';
import { activated, activationOf } from './activation.js';
import { type Converter, holding, type KerasLayer, permuted, refuse, type Weight } from './layer.js';
import { emit, ints, string } from './layout.js';

interface ConvConfig {
  readonly kernelSize: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly padding: 'same' | 'valid';
  readonly dilationRate?: readonly [number, number];
  readonly activation?: string;
}

/**
 * Padding 'same' at strides above 1, where it depends on the size n of the image:
 * max((⌈n/stride⌉ − 1)·stride + kernel − n, 0) in all, the odd element behind.
 */
class SameConv2d extends nn.Conv2d {
  static override readonly className = 'Conv2d';

  override forward(x: Tensor): Tensor {
    const weight = this.read(this.weight, x);
    return emit('Conv', [x, weight, this.bias && this.read(this.bias, x)], {
      kernel_shape: ints(weight.shape.slice(2)),
      strides: ints(this.options.stride as readonly number[]),
      auto_pad: string('SAME_UPPER'),
      group: { kind: 'int', value: this.options.groups },
    });
  }
}

/** A convolution of `groups` groups with a kernel in our order. */
function conv2d(
  layer: KerasLayer<ConvConfig>,
  [out, perGroup]: readonly [number, number],
  groups: number,
  data: Float32Array,
  bias: Weight | undefined,
): nn.Conv2d {
  const { kernelSize, strides: stride, padding, dilationRate: dilation = [1, 1] } = layer.config;
  const [strided, dilated] = [stride, dilation].map((steps) => steps.some((step) => step !== 1));
  if (strided && dilated) refuse(layer, 'strides and dilationRate above 1 at once are not supported');
  const options = { stride, dilation, groups, bias: bias !== undefined };
  const module =
    strided && padding === 'same'
      ? new SameConv2d(perGroup * groups, out, kernelSize, options)
      : new nn.Conv2d(perGroup * groups, out, kernelSize, { ...options, padding });
  return holding(module, data, bias);
}

/** A kernel [H, W, in, out]. */
function fullConv(layer: KerasLayer<ConvConfig>, kernel: Weight, bias?: Weight): nn.Conv2d {
  const [, , inputs, outputs] = kernel.shape as [number, number, number, number];
  return conv2d(layer, [outputs, inputs], 1, permuted(kernel, [3, 2, 0, 1]), bias);
}

/** A kernel [H, W, in, multiplier]: output channel c·multiplier + m sees input channel c alone. */
function depthwiseConv(layer: KerasLayer<ConvConfig>, kernel: Weight, bias?: Weight): nn.Conv2d {
  const [, , channels, multiplier] = kernel.shape as [number, number, number, number];
  return conv2d(layer, [channels * multiplier, 1], channels, permuted(kernel, [2, 3, 0, 1]), bias);
}

type Kernel<Name extends string> = Readonly<Record<Name, Weight>> & { readonly bias?: Weight };

function convolution(layer: KerasLayer<ConvConfig>): nn.Module {
  const { kernel, bias } = layer.weights as Kernel<'kernel'>;
  return activated(layer, 'conv', fullConv(layer, kernel, bias));
}

function depthwise(layer: KerasLayer<ConvConfig>): nn.Module {
  if (layer.config.dilationRate?.some((rate) => rate !== 1)) {
    refuse(layer, 'TensorFlow.js computes it without its dilationRate; convert the original to ONNX and use loadModel');
  }
  const { depthwise_kernel: kernel, bias } = layer.weights as Kernel<'depthwise_kernel'>;
  return activated(layer, 'conv', depthwiseConv(layer, kernel, bias));
}

/** A convolution per channel, then one of 1 × 1. */
class SeparableConv2D extends nn.Module {
  static readonly className = 'SeparableConv2D';
  readonly depthwise: nn.Module;
  readonly pointwise: nn.Module;
  readonly activation: nn.Module;

  constructor(layer: KerasLayer<ConvConfig>) {
    super();
    const {
      depthwise_kernel: each,
      pointwise_kernel: across,
      bias,
    } = layer.weights as Kernel<'depthwise_kernel' | 'pointwise_kernel'>;
    this.depthwise = depthwiseConv(layer, each);
    const config = { kernelSize: [1, 1], strides: [1, 1], padding: 'valid' } as const;
    this.pointwise = fullConv({ ...layer, config }, across, bias);
    this.activation = activationOf(layer);
  }

  override forward(x: Tensor): Tensor {
    return this.activation(this.pointwise(this.depthwise(x)));
  }
}

/**
 * Keras' sizes: stride·n with padding 'same', at least that with 'valid'. Where the kernel is larger than the stride,
 * 'same' leaves out max(kernel − stride, 0) of the result, the odd element behind; where it is smaller, the rest is bias.
 */
class ConvTranspose2d extends nn.ConvTranspose2d {
  static override readonly className = 'ConvTranspose2d';
  private readonly same: boolean;

  constructor(inChannels: number, outChannels: number, { kernelSize, strides, padding }: ConvConfig, bias: boolean) {
    super(inChannels, outChannels, kernelSize, { stride: strides, bias });
    this.same = padding === 'same';
  }

  override forward(x: Tensor): Tensor {
    const weight = this.read(this.weight, x);
    const [kernel, strides] = [weight.shape.slice(2), this.options.stride as readonly number[]];
    const beyond = kernel.map((size, i) => size - (strides[i] as number));
    const left = beyond.map((count) => (this.same ? Math.max(count, 0) : 0));
    return emit('ConvTranspose', [x, weight, this.bias && this.read(this.bias, x)], {
      kernel_shape: ints(kernel),
      strides: ints(strides),
      pads: ints([...left.map((count) => Math.floor(count / 2)), ...left.map((count) => Math.ceil(count / 2))]),
      output_padding: ints(beyond.map((count) => Math.max(-count, 0))),
    });
  }
}

/** A kernel [H, W, out, in]. */
function transposed(layer: KerasLayer<ConvConfig>): nn.Module {
  const { kernel, bias } = layer.weights as Kernel<'kernel'>;
  const [, , outputs, inputs] = kernel.shape as [number, number, number, number];
  const module = new ConvTranspose2d(inputs, outputs, layer.config, bias !== undefined);
  return activated(layer, 'conv', holding(module, permuted(kernel, [3, 2, 0, 1]), bias));
}

export const convolutionLayers: Readonly<Record<string, Converter>> = {
  Conv2D: convolution,
  DepthwiseConv2D: depthwise,
  SeparableConv2D: (layer) => new SeparableConv2D(layer),
  Conv2DTranspose: transposed,
};
