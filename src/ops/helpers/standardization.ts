/** What the gradients of the normalisations are made of. */
import type { Tensor } from '../../graph/index.js';
import type { Gradient } from '../define.js';
import { perChannel, sumPerChannel } from './channels.js';

/** x̂ = (x − μ)·r with r = 1/√(σ² + ε). */
export interface Standardized {
  readonly normalized: Tensor;
  readonly inverse: Tensor;
}

/** Mean 0 and variance 1 over the axes. */
export function standardize(x: Tensor, axes: readonly number[], epsilon: number): Standardized {
  const centred = x.sub(x.mean(axes, true));
  const inverse = inverseRoot(centred, axes, epsilon);
  return { normalized: centred.mul(inverse), inverse };
}

/** 1/√(mean x² + ε) */
export const inverseRoot = (x: Tensor, axes: readonly number[], epsilon: number): Tensor =>
  x.square().mean(axes, true).add(epsilon).sqrt().reciprocal();

/** ∂x = r·(g − mean g − x̂·mean(g·x̂)), g the gradient of x̂. */
export const standardizeGradient = (
  g: Tensor,
  { normalized, inverse }: Standardized,
  axes: readonly number[],
): Tensor =>
  g
    .sub(g.mean(axes, true))
    .sub(normalized.mul(g.mul(normalized).mean(axes, true)))
    .mul(inverse);

/** ∂x, ∂scale and ∂b of y = scale·x̂ + b, x̂ standardised in groups of channels, scale and b one per channel. */
export function groupGradients(x: Tensor, scale: Tensor, dy: Tensor, groups: number, epsilon: number): Gradient[] {
  const grouped = [x.dim(0), groups, -1];
  const standard = standardize(x.reshape(grouped), [2], epsilon);
  const g = (): Tensor => dy.mul(perChannel(scale, x.rank)).reshape(grouped);
  return [
    () => standardizeGradient(g(), standard, [2]).reshape(x.shape),
    () => sumPerChannel(dy.mul(standard.normalized.reshape(x.shape))),
    () => sumPerChannel(dy),
  ];
}
