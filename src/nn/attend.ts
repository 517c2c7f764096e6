/** Attention (Vaswani et al. 2017). */
import type { Tensor } from '../graph/index.js';
import { dropout } from './functional/dropout.js';

/** What attention goes by, besides queries, keys and values. */
export interface Scoring {
  /** bool: true where a key is left out; float: added to the scores. Each broadcasts to `[…, L, S]`. */
  readonly masks: readonly Tensor[];
  /** Probability that a weight is dropped. */
  readonly dropoutP: number;
  /** Default 1/√E. */
  readonly scale?: number | undefined;
}

/** softmax(scale·q·kᵀ)·v over `[…, L, E]`, `[…, S, E]`, `[…, S, V]`: the output `[…, L, V]` and the weights `[…, L, S]`. */
export function attention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  { masks, dropoutP, scale }: Scoring,
): [Tensor, Tensor] {
  const scores = query.mul(scale ?? 1 / Math.sqrt(query.dim(-1))).matmul(key.swapAxes(-1, -2));
  const masked = masks.reduce(
    (sum, mask) => (mask.dtype === 'bool' ? mask.where(Number.NEGATIVE_INFINITY, sum) : sum.add(mask)),
    scores,
  );
  const weights = dropout(masked.softmax(-1), dropoutP);
  return [weights.matmul(value), weights];
}
