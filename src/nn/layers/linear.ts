/** Fully connected layers. */
import type { Tensor } from '../../graph/index.js';
import { boolean, type Checks, checkOptions, count } from '../../options/index.js';
import { fanInUniform } from '../fan-in.js';
import { bilinear, linear } from '../functional/linear.js';
import { uniform } from '../init.js';
import { Module } from '../module.js';
import { Parameter } from '../parameter.js';
import { requireShape } from '../sizes.js';

/** Options of Linear and Bilinear. */
export interface LinearOptions {
  /** Default true. */
  readonly bias?: boolean;
}

const checks: Checks<LinearOptions> = { bias: boolean };

/**
 * y = x·Wᵀ + b: `[…, inFeatures]` → `[…, outFeatures]`; weight and bias start uniform in ±1/√inFeatures
 * (https://pytorch.org/docs/stable/generated/torch.nn.Linear.html).
 */
export class Linear extends Module {
  static readonly className = 'Linear';
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    const { bias = true } = checkOptions(options, checks, this.className);
    this.inFeatures = count(inFeatures, `${this.className}: inFeatures`);
    this.outFeatures = count(outFeatures, `${this.className}: outFeatures`);
    this.weight = new Parameter([outFeatures, inFeatures]);
    this.bias = bias ? new Parameter([outFeatures]) : undefined;
    fanInUniform(this.weight, this.bias);
  }

  /** @throws GlobalPercError when the last dimension of x is not inFeatures. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, ['…', this.inFeatures]);
    return linear(x, this.read(this.weight, x), this.bias && this.read(this.bias, x));
  }
}

/**
 * y_k = aᵀ·W_k·b + bias_k: `[…, in1Features]`, `[…, in2Features]` → `[…, outFeatures]`; weight and bias start uniform in
 * ±1/√in1Features (https://pytorch.org/docs/stable/generated/torch.nn.Bilinear.html).
 */
export class Bilinear extends Module {
  static readonly className = 'Bilinear';
  readonly in1Features: number;
  readonly in2Features: number;
  readonly outFeatures: number;
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(in1Features: number, in2Features: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    const { bias = true } = checkOptions(options, checks, this.className);
    this.in1Features = count(in1Features, `${this.className}: in1Features`);
    this.in2Features = count(in2Features, `${this.className}: in2Features`);
    this.outFeatures = count(outFeatures, `${this.className}: outFeatures`);
    this.weight = new Parameter([outFeatures, in1Features, in2Features]);
    this.bias = bias ? new Parameter([outFeatures]) : undefined;
    const bound = 1 / Math.sqrt(in1Features);
    for (const held of [this.weight, this.bias]) if (held) uniform(held, { a: -bound, b: bound });
  }

  /** @throws GlobalPercError when the last dimensions are not in1Features and in2Features, or the first ones differ. */
  override forward(a: Tensor, b: Tensor): Tensor {
    requireShape(this.className, a, ['…', this.in1Features]);
    requireShape(this.className, b, [...a.shape.slice(0, -1), this.in2Features]);
    return bilinear(a, b, this.read(this.weight, a), this.bias && this.read(this.bias, a));
  }
}
