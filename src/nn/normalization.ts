/** Normalisations within each sample. Variances are biased: Σ(x − μ)²/n. */
import { constantOf, float, GlobalPercError, int, type Shape, sizeOf, type Tensor } from '../graph/index.js';
import { perChannel } from '../ops/index.js';
import { ones } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';
import { requireCount, requireShape } from './sizes.js';

/** What follows a normalisation, and what is added to the variance. */
export interface AffineOptions {
  /** Scale. */
  readonly weight?: Tensor | undefined;
  /** Shift. */
  readonly bias?: Tensor | undefined;
  /** Default 10⁻⁵. */
  readonly eps?: number;
}

/** One value in a given shape. */
export const filled = ({ graph, dtype }: Tensor, shape: Shape, value: number): Tensor =>
  graph.constant(constantOf(dtype, shape, new Float32Array(sizeOf(shape)).fill(value)));

/**
 * w·(x − μ)/√(σ² + ε) + b with μ and σ² over the space of each sample and channel of `[B, C, …]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.instance_norm.html).
 */
export function instanceNorm(x: Tensor, { weight, bias, eps = 1e-5 }: AffineOptions = {}): Tensor {
  const inputs = [x, weight ?? filled(x, [x.dim(1)], 1), bias ?? filled(x, [x.dim(1)], 0)];
  return x.graph.emit('InstanceNormalization', inputs, { epsilon: float(eps) })[0] as Tensor;
}

/**
 * w·(x − μ)/√(σ² + ε) + b with μ and σ² over space and groups of channels of `[B, C, …]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.group_norm.html).
 * @throws GlobalPercError when the groups do not divide the channels.
 */
export function groupNorm(x: Tensor, numGroups: number, { weight, bias, eps = 1e-5 }: AffineOptions = {}): Tensor {
  if (x.dim(1) % numGroups !== 0) {
    throw new GlobalPercError(`groupNorm: ${numGroups} groups do not divide the channels of [${x.shape}]`);
  }
  const normalized = instanceNorm(x.reshape([x.dim(0), numGroups, -1]), { eps }).reshape(x.shape);
  const scaled = weight ? normalized.mul(perChannel(weight, x.rank)) : normalized;
  return bias ? scaled.add(perChannel(bias, x.rank)) : scaled;
}

/**
 * w·(x − μ)/√(σ² + ε) + b with μ and σ² over the last dimensions, which are `normalizedShape`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.layer_norm.html).
 */
export function layerNorm(x: Tensor, normalizedShape: Shape, { weight, bias, eps = 1e-5 }: AffineOptions = {}): Tensor {
  const inputs = [x, weight ?? filled(x, normalizedShape, 1), bias];
  const attributes = { axis: int(-normalizedShape.length), epsilon: float(eps) };
  return x.graph.emit('LayerNormalization', inputs, attributes)[0] as Tensor;
}

/** From 1 to the next float32: the ε of rmsNorm, unless one is given. */
const FLOAT32_EPSILON = 2 ** -23;

/**
 * w·x/√(mean x² + ε) over the last dimensions, which are `normalizedShape`; ε is 2⁻²³ by default
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.rms_norm.html).
 */
export function rmsNorm(
  x: Tensor,
  normalizedShape: Shape,
  { weight, eps = FLOAT32_EPSILON }: Omit<AffineOptions, 'bias'> = {},
): Tensor {
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

/**
 * x/max(‖x‖ₚ, ε) along a dimension
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html).
 */
export function normalize(x: Tensor, { p = 2, dim = 1, eps = 1e-12 }: NormalizeOptions = {}): Tensor {
  const reduction = p === 1 ? 'ReduceL1' : 'ReduceL2';
  const [norm] = x.graph.emit(reduction, [x, x.graph.ints([dim])], { keepdims: int(1) }) as [Tensor];
  return x.div(norm.maximum(eps));
}

/** Options of GroupNorm. */
export interface GroupNormOptions {
  /** Default 10⁻⁵. */
  readonly eps?: number;
  /** Learn a scale and a shift per channel. Default true. */
  readonly affine?: boolean;
}

/**
 * `[B, C, …]`, normalised over space and groups of channels; scale and shift start with 1 and 0
 * (https://pytorch.org/docs/stable/generated/torch.nn.GroupNorm.html).
 */
export class GroupNorm extends Module {
  static readonly className = 'GroupNorm';
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;

  /** @throws GlobalPercError when the groups do not divide the channels. */
  constructor(numGroups: number, numChannels: number, { eps = 1e-5, affine = true }: GroupNormOptions = {}) {
    super();
    if (requireCount(numChannels, 'GroupNorm: numChannels') % requireCount(numGroups, 'GroupNorm: numGroups') !== 0) {
      throw new GlobalPercError(`GroupNorm: ${numGroups} groups do not divide ${numChannels} channels`);
    }
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
    this.weight = affine ? ones(new Parameter([numChannels])) : undefined;
    this.bias = affine ? new Parameter([numChannels]) : undefined;
  }

  /** @throws GlobalPercError on another number of channels. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, ['B', this.numChannels, '…']);
    const weight = this.weight && this.read(this.weight, x);
    const bias = this.bias && this.read(this.bias, x);
    return groupNorm(x, this.numGroups, { weight, bias, eps: this.eps });
  }
}

/** Options of LayerNorm. */
export interface LayerNormOptions {
  /** Default 10⁻⁵. */
  readonly eps?: number;
  /** Learn a scale, and a shift unless `bias` is false. Default true. */
  readonly elementwiseAffine?: boolean;
  /** Default true. */
  readonly bias?: boolean;
}

const shapeOf = (normalizedShape: number | Shape): Shape =>
  typeof normalizedShape === 'number' ? [normalizedShape] : [...normalizedShape];

/**
 * `[…, ...normalizedShape]`, normalised over these last dimensions; scale and shift start with 1 and 0
 * (https://pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html).
 */
export class LayerNorm extends Module {
  static readonly className = 'LayerNorm';
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;
  readonly normalizedShape: Shape;
  readonly eps: number;

  constructor(
    normalizedShape: number | Shape,
    { eps = 1e-5, elementwiseAffine = true, bias = true }: LayerNormOptions = {},
  ) {
    super();
    this.normalizedShape = shapeOf(normalizedShape);
    this.eps = eps;
    this.weight = elementwiseAffine ? ones(new Parameter(this.normalizedShape)) : undefined;
    this.bias = elementwiseAffine && bias ? new Parameter(this.normalizedShape) : undefined;
  }

  /** @throws GlobalPercError when the last dimensions of x are others. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, ['…', ...this.normalizedShape]);
    const weight = this.weight && this.read(this.weight, x);
    const bias = this.bias && this.read(this.bias, x);
    return layerNorm(x, this.normalizedShape, { weight, bias, eps: this.eps });
  }
}

/** Options of RMSNorm. */
export interface RMSNormOptions {
  /** Default 2⁻²³, the float32 epsilon. */
  readonly eps?: number | null;
  /** Learn a scale. Default true. */
  readonly elementwiseAffine?: boolean;
}

/**
 * `[…, ...normalizedShape]`, divided by the root of the mean square over these last dimensions; the scale starts with 1
 * (https://pytorch.org/docs/stable/generated/torch.nn.RMSNorm.html).
 */
export class RMSNorm extends Module {
  static readonly className = 'RMSNorm';
  readonly weight: Parameter | undefined;
  readonly normalizedShape: Shape;
  readonly eps: number;

  constructor(normalizedShape: number | Shape, { eps, elementwiseAffine = true }: RMSNormOptions = {}) {
    super();
    this.normalizedShape = shapeOf(normalizedShape);
    this.eps = eps ?? FLOAT32_EPSILON;
    this.weight = elementwiseAffine ? ones(new Parameter(this.normalizedShape)) : undefined;
  }

  /** @throws GlobalPercError when the last dimensions of x are others. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, ['…', ...this.normalizedShape]);
    return rmsNorm(x, this.normalizedShape, { weight: this.weight && this.read(this.weight, x), eps: this.eps });
  }
}
