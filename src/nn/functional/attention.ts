/** Attention (Vaswani et al. 2017). */
import { constantOf, Tensor } from '../../graph/index.js';
import { boolean, type Checks, checkOptions, instanceOf, number } from '../../options/index.js';
import { attention } from '../attend.js';
import { probability } from '../sizes.js';

/** Options of scaledDotProductAttention. */
export interface ScaledDotProductAttentionOptions {
  /** bool: true where a key takes part; float: added to the scores. Broadcasts to `[…, L, S]`. */
  readonly attnMask?: Tensor | undefined;
  /** Probability that a weight is dropped. Default 0. */
  readonly dropoutP?: number;
  /** Query i takes keys up to i alone. Default false. */
  readonly isCausal?: boolean;
  /** Default 1/√E. */
  readonly scale?: number | undefined;
}

const checks: Checks<ScaledDotProductAttentionOptions> = {
  attnMask: instanceOf(Tensor, 'a symbolic tensor'),
  dropoutP: probability,
  isCausal: boolean,
  scale: number(),
};

/**
 * softmax(q·kᵀ/√E)·v: `[…, L, E]`, `[…, S, E]`, `[…, S, V]` → `[…, L, V]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html).
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: ScaledDotProductAttentionOptions = {},
): Tensor {
  const {
    attnMask,
    dropoutP = 0,
    isCausal = false,
    scale,
  } = checkOptions(options, checks, 'scaledDotProductAttention');
  const given = attnMask?.dtype === 'bool' ? attnMask.logicalNot() : attnMask;
  const masks = [given, isCausal ? laterKeys(query, key) : undefined].filter((mask) => mask !== undefined);
  return attention(query, key, value, { masks, dropoutP, scale })[0];
}

/** `[L, S]`, true where a key comes after the query. */
function laterKeys(query: Tensor, key: Tensor): Tensor {
  const [rows, columns] = [query.dim(-2), key.dim(-2)];
  const later = Array.from({ length: rows * columns }, (_, i) => Number(i % columns > Math.floor(i / columns)));
  return query.graph.constant(constantOf('bool', [rows, columns], later));
}
