/** Fully connected layers. */
import type { Tensor } from '../graph/index.js';
import { fanInUniform } from './fan-in.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';
import { requireCount, requireShape } from './sizes.js';

/** x·Wᵀ + b over the last dimension; weight `[out, in]` (https://pytorch.org/docs/stable/generated/torch.nn.functional.linear.html) */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const product = x.matmul(weight.swapAxes(0, 1));
  return bias ? product.add(bias) : product;
}

/** Options of Linear. */
export interface LinearOptions {
  /** Default true. */
  readonly bias?: boolean;
}

/**
 * y = x·Wᵀ + b: `[…, inFeatures]` → `[…, outFeatures]`; weight and bias start uniform in ±1/√inFeatures
 * (https://pytorch.org/docs/stable/generated/torch.nn.Linear.html).
 */
export class Linear extends Module {
  static readonly className = 'Linear';
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(inFeatures: number, outFeatures: number, { bias = true }: LinearOptions = {}) {
    super();
    const shape = [requireCount(outFeatures, 'Linear: outFeatures'), requireCount(inFeatures, 'Linear: inFeatures')];
    this.weight = new Parameter(shape);
    this.bias = bias ? new Parameter([outFeatures]) : undefined;
    fanInUniform(this.weight, this.bias);
  }

  /** @throws GlobalPercError when the last dimension of x is not inFeatures. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, ['…', this.weight.shape[1] as number]);
    return linear(x, this.read(this.weight, x), this.bias && this.read(this.bias, x));
  }
}
