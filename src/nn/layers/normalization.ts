/** Normalisations within each sample. */
import type { Shape, Tensor } from '../../graph/index.js';
import { boolean, type Checks, checkOptions, count, listOf, number, refused } from '../../options/index.js';
import { groupNorm, layerNorm, localResponseNorm, rmsNorm } from '../functional/normalization.js';
import { ones } from '../init.js';
import { Module } from '../module.js';
import { type LocalResponseNormOptions, localResponseChecks } from '../options/normalization.js';
import { Parameter } from '../parameter.js';
import { orNull, requireDivisor, requireShape } from '../sizes.js';

/** Options of GroupNorm. */
export interface GroupNormOptions {
  /** Default 10⁻⁵. */
  readonly eps?: number;
  /** Learn a scale and a shift per channel. Default true. */
  readonly affine?: boolean;
}

const groupNormChecks: Checks<GroupNormOptions> = { eps: number({ least: 0 }), affine: boolean };

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
  constructor(numGroups: number, numChannels: number, options: GroupNormOptions = {}) {
    super();
    const { eps = 1e-5, affine = true } = checkOptions(options, groupNormChecks, this.className);
    this.numGroups = count(numGroups, `${this.className}: numGroups`);
    this.numChannels = count(numChannels, `${this.className}: numChannels`);
    requireDivisor(this.className, numGroups, 'groups', `${numChannels} channels`, numChannels);
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

const layerNormChecks: Checks<LayerNormOptions> = {
  eps: number({ least: 0 }),
  elementwiseAffine: boolean,
  bias: boolean,
};

/** One size, or a list of some. */
function shapeOf(given: number | Shape, where: string): Shape {
  const shape = Array.isArray(given) ? listOf(count)(given, where) : [count(given, where)];
  if (shape.length > 0) return shape;
  throw refused(where, 'an integer from 1 on or a list of some', given);
}

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

  constructor(normalizedShape: number | Shape, options: LayerNormOptions = {}) {
    super();
    const {
      eps = 1e-5,
      elementwiseAffine = true,
      bias = true,
    } = checkOptions(options, layerNormChecks, this.className);
    this.normalizedShape = shapeOf(normalizedShape, `${this.className}: normalizedShape`);
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

const rmsNormChecks: Checks<RMSNormOptions> = { eps: orNull(number({ least: 0 })), elementwiseAffine: boolean };

/**
 * `[…, ...normalizedShape]`, divided by the root of the mean square over these last dimensions; the scale starts with 1
 * (https://pytorch.org/docs/stable/generated/torch.nn.RMSNorm.html).
 */
export class RMSNorm extends Module {
  static readonly className = 'RMSNorm';
  readonly weight: Parameter | undefined;
  readonly normalizedShape: Shape;
  readonly eps: number | null;

  constructor(normalizedShape: number | Shape, options: RMSNormOptions = {}) {
    super();
    const { eps = null, elementwiseAffine = true } = checkOptions(options, rmsNormChecks, this.className);
    this.normalizedShape = shapeOf(normalizedShape, `${this.className}: normalizedShape`);
    this.eps = eps;
    this.weight = elementwiseAffine ? ones(new Parameter(this.normalizedShape)) : undefined;
  }

  /** @throws GlobalPercError when the last dimensions of x are others. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, ['…', ...this.normalizedShape]);
    return rmsNorm(x, this.normalizedShape, {
      weight: this.weight && this.read(this.weight, x),
      ...(this.eps !== null && { eps: this.eps }),
    });
  }
}

/**
 * `[B, C, …]`, divided by (k + α·m)^β, m being the mean of the squares of `size` neighbouring channels
 * (https://pytorch.org/docs/stable/generated/torch.nn.LocalResponseNorm.html).
 */
export class LocalResponseNorm extends Module {
  static readonly className = 'LocalResponseNorm';
  readonly size: number;
  readonly options: LocalResponseNormOptions;

  constructor(size: number, options: LocalResponseNormOptions = {}) {
    super();
    this.size = count(size, `${this.className}: size`);
    this.options = checkOptions(options, localResponseChecks, this.className);
  }

  /** @throws GlobalPercError on an input of less than three dimensions. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, ['B', 'C', 'L', '…']);
    return localResponseNorm(x, this.size, this.options);
  }
}
