/** Products with weights. */
import type { Tensor } from '../../graph/index.js';
import { reshapeBehind } from '../sizes.js';

/** x·Wᵀ + b over the last dimension; weight `[out, in]` (https://pytorch.org/docs/stable/generated/torch.nn.functional.linear.html) */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const product = x.matmul(weight.swapAxes(0, 1));
  return bias ? product.add(bias) : product;
}

/**
 * y_k = aᵀ·W_k·b + bias_k over the last dimensions: `[…, in1]`, `[…, in2]`, weight `[out, in1, in2]` → `[…, out]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.bilinear.html)
 */
export function bilinear(a: Tensor, b: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const products = reshapeBehind(a, a.rank, [1]).mul(reshapeBehind(b, b.rank - 1, [1, b.dim(-1)]));
  const flat = reshapeBehind(products, a.rank - 1, [-1]);
  return linear(flat, weight.reshape([weight.dim(0), -1]), bias);
}
