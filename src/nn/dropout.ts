/** Random omission. */
import { GlobalPercError, int, ints, type Tensor } from '../graph/index.js';
import { Module } from './module.js';

/**
 * 0 with probability p, else x/(1 − p); drawn anew at each run
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html).
 * @throws GlobalPercError when p is outside [0, 1].
 */
export function dropout(x: Tensor, p = 0.5): Tensor {
  requireProbability(p, 'dropout');
  if (p === 0) return x;
  if (p === 1) return x.zerosLike();
  const [uniform] = x.graph.emit('RandomUniform', [], { shape: ints(x.shape), dtype: int(1) }) as [Tensor];
  return uniform.greaterOrEqual(p).where(x.mul(1 / (1 - p)), 0);
}

/** @throws GlobalPercError when p is outside [0, 1]. */
export function requireProbability(p: number, where: string): number {
  if (p >= 0 && p <= 1) return p;
  throw new GlobalPercError(`${where}: p should be from 0 to 1, got ${p}`);
}

/**
 * 0 with probability p and else x/(1 − p) in training; the input in evaluation
 * (https://pytorch.org/docs/stable/generated/torch.nn.Dropout.html).
 */
export class Dropout extends Module {
  static readonly className = 'Dropout';
  readonly p: number;

  /** @throws GlobalPercError when p is outside [0, 1]. */
  constructor(p = 0.5) {
    super();
    this.p = requireProbability(p, 'Dropout');
  }

  override forward(x: Tensor): Tensor {
    return this.training ? dropout(x, this.p) : x;
  }
}
