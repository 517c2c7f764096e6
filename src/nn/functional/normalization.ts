/** Normalisations. Variances are biased: Σ(x − μ)²/n. */
import { constantOf, float, int, type Shape, sizeOf, Tensor } from '../../graph/index.js';
import { perChannel } from '../../ops/index.js';
import { type Checks, checkOptions, instanceOf, integer, matching, number } from '../../options/index.js';
import { type LocalResponseNormOptions, localResponseChecks } from '../options/normalization.js';
import { requireDivisor, reshapeBehind } from '../sizes.js';
import { avgPool2d } from './pooling.js';

/** What follows a normalisation, and what is added to the variance. */
export interface AffineOptions {
  /** Scale. */
  readonly weight?: Tensor | undefined;
  /** Shift. */
  readonly bias?: Tensor | undefined;
  /** Default 10⁻⁵. */
  readonly eps?: number;
}

const tensor = instanceOf(Tensor, 'a symbolic tensor');

const rmsChecks: Checks<Omit<AffineOptions, 'bias'>> = { weight: tensor, eps: number({ least: 0 }) };

const affineChecks: Checks<AffineOptions> = { ...rmsChecks, bias: tensor };

/** From 1 to the next float32: the ε of rmsNorm, unless one is given. */
const FLOAT32_EPSILON = 2 ** -23;

/** One value in a given shape. */
const filled = ({ graph, dtype }: Tensor, shape: Shape, value: number): Tensor =>
  graph.constant(constantOf(dtype, shape, new Float32Array(sizeOf(shape)).fill(value)));

/**
 * w·(x − μ)/√(σ² + ε) + b with μ and σ² over the space of each sample and channel of `[B, C, …]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.instance_norm.html).
 */
export function instanceNorm(x: Tensor, options: AffineOptions = {}): Tensor {
  const { weight, bias, eps = 1e-5 } = checkOptions(options, affineChecks, 'instanceNorm');
  const inputs = [x, weight ?? filled(x, [x.dim(1)], 1), bias ?? filled(x, [x.dim(1)], 0)];
  return x.graph.emit('InstanceNormalization', inputs, { epsilon: float(eps) })[0] as Tensor;
}

/**
 * w·(x − μ)/√(σ² + ε) + b with μ and σ² over space and groups of channels of `[B, C, …]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.group_norm.html).
 * @throws GlobalPercError when the groups do not divide the channels.
 */
export function groupNorm(x: Tensor, numGroups: number, options: AffineOptions = {}): Tensor {
  const { weight, bias, eps = 1e-5 } = checkOptions(options, affineChecks, 'groupNorm');
  requireDivisor('groupNorm', numGroups, 'groups', `the channels of [${x.shape}]`, x.dim(1));
  const grouped = instanceNorm(reshapeBehind(x, 1, [numGroups, -1]), { eps });
  const normalized = reshapeBehind(grouped, 1, x.shape.slice(1));
  const scaled = weight ? normalized.mul(perChannel(weight, x.rank)) : normalized;
  return bias ? scaled.add(perChannel(bias, x.rank)) : scaled;
}

/**
 * w·(x − μ)/√(σ² + ε) + b with μ and σ² over the last dimensions, which are `normalizedShape`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.layer_norm.html).
 */
export function layerNorm(x: Tensor, normalizedShape: Shape, options: AffineOptions = {}): Tensor {
  const { weight, bias, eps = 1e-5 } = checkOptions(options, affineChecks, 'layerNorm');
  const inputs = [x, weight ?? filled(x, normalizedShape, 1), bias];
  const attributes = { axis: int(-normalizedShape.length), epsilon: float(eps) };
  return x.graph.emit('LayerNormalization', inputs, attributes)[0] as Tensor;
}

/**
 * w·x/√(mean x² + ε) over the last dimensions, which are `normalizedShape`; ε is 2⁻²³ by default
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.rms_norm.html).
 */
export function rmsNorm(x: Tensor, normalizedShape: Shape, options: Omit<AffineOptions, 'bias'> = {}): Tensor {
  const { weight, eps = FLOAT32_EPSILON } = checkOptions(options, rmsChecks, 'rmsNorm');
  // Not ONNX's RMSNormalization, which came with opset 23: a trained model should run in older runtimes too.
  const axes = normalizedShape.map((_, i) => i - normalizedShape.length);
  const normalized = x.mul(x.square().mean(axes, true).add(eps).sqrt().reciprocal());
  return weight ? normalized.mul(weight) : normalized;
}

/** Options of normalize. */
export interface NormalizeOptions {
  /** 1: Σ|x|, 2: √Σx². Default 2. */
  readonly p?: 1 | 2;
  /** Default 1. */
  readonly dim?: number;
  /** Lower bound of the norm. Default 10⁻¹². */
  readonly eps?: number;
}

const normalizeChecks: Checks<NormalizeOptions> = {
  p: matching((value): value is 1 | 2 => value === 1 || value === 2, '1 or 2'),
  dim: integer(),
  eps: number({ least: 0 }),
};

/**
 * x/max(‖x‖ₚ, ε) along a dimension
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html).
 */
export function normalize(x: Tensor, options: NormalizeOptions = {}): Tensor {
  const { p = 2, dim = 1, eps = 1e-12 } = checkOptions(options, normalizeChecks, 'normalize');
  const reduction = p === 1 ? 'ReduceL1' : 'ReduceL2';
  const [norm] = x.graph.emit(reduction, [x, x.graph.ints([dim])], { keepdims: int(1) }) as [Tensor];
  return x.div(norm.maximum(eps));
}

/**
 * x/(k + α·m)^β, m being the mean of the squares of `size` neighbouring channels, zeros beyond the first and last
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.local_response_norm.html).
 */
export function localResponseNorm(x: Tensor, size: number, options: LocalResponseNormOptions = {}): Tensor {
  const { alpha = 1e-4, beta = 0.75, k = 1 } = checkOptions(options, localResponseChecks, 'localResponseNorm');
  // Not ONNX's LRN: ONNX Runtime takes odd sizes of images alone, and for even ones PyTorch's window lies elsewhere.
  const channels = reshapeBehind(x.square(), 1, [1, x.dim(1), -1]);
  const padded = channels.pad([0, 0, Math.floor(size / 2), 0], [0, 0, Math.floor((size - 1) / 2), 0]);
  const means = reshapeBehind(avgPool2d(padded, [size, 1], { stride: 1 }), 1, x.shape.slice(1));
  return x.div(means.mul(alpha).add(k).pow(beta));
}

/** Statistics of each channel. */
export interface ChannelStatistics {
  /** `[C]` */
  readonly mean: Tensor;
  /** Biased variance, `[C]`. */
  readonly variance: Tensor;
}

/** Mean and biased variance of `[B, C, …]` over batch and space. */
export function batchStatistics(x: Tensor): ChannelStatistics {
  const mean = channelMean(x);
  // A shift of all values does not change their variance: no gradient needs to pass the mean here.
  const centred = x.sub(perChannel(mean.detach(), x.rank));
  return { mean, variance: channelMean(centred.square()) };
}

/** Along space first, where the elements lie side by side. */
const channelMean = (x: Tensor): Tensor =>
  x
    .reshape([x.dim(0), x.dim(1), -1])
    .mean([2])
    .mean([0]);

/** scale·(x − mean)/√(variance + ε) + shift per channel; scale and shift are 1 and 0 where left out. */
export function batchNorm(
  x: Tensor,
  { mean, variance }: ChannelStatistics,
  scale?: Tensor,
  shift?: Tensor,
  eps = 1e-5,
): Tensor {
  const inputs = [x, scale ?? filled(x, [x.dim(1)], 1), shift ?? filled(x, [x.dim(1)], 0), mean, variance];
  return x.graph.emit('BatchNormalization', inputs, { epsilon: float(eps) })[0] as Tensor;
}
