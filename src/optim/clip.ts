/** Norm and limits of all gradients together. */
import type { Tensor } from '../graph/index.js';

/** √Σ‖g‖² over all gradients (https://pytorch.org/docs/stable/generated/torch.nn.utils.get_total_norm.html). */
export function totalNorm(gradients: readonly Tensor[]): Tensor {
  const squares = gradients.map((gradient) => gradient.square().sum());
  return squares.reduce((sum, square) => sum.add(square)).sqrt();
}

/** g·min(1, limit/(norm + 10⁻⁶)) (https://pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html). */
export function clipGradNorm(gradients: readonly Tensor[], norm: Tensor, limit: number): Tensor[] {
  const factor = norm.add(1e-6).reciprocal().mul(limit).minimum(1);
  return gradients.map((gradient) => gradient.mul(factor));
}

/** Each element of g limited to [−limit, limit] (https://pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_value_.html). */
export const clipGradValue = (gradients: readonly Tensor[], limit: number): Tensor[] =>
  gradients.map((gradient) => gradient.maximum(-limit).minimum(limit));
