/**
 * Attention as one node, in the internal domain: no operator of a file is like it, so whoever writes files spells it out. Scores,
 * `[…, N, M]`, are the largest tensors of a transformer; as long as nothing names them, nothing keeps them.
 */
import {
  type Attributes,
  float,
  GlobalPercError,
  INTERNAL_DOMAIN,
  type Tensor,
  type TensorType,
} from '../graph/index.js';
import { defineOp } from './define.js';

const typeOf = ({ dtype, shape }: Tensor): TensorType => ({ dtype, shape });

/** Attributes of both operators. */
export const attentionAttributes = (scale: number): Attributes => ({ scale: float(scale) });

/**
 * y = softmax(scale·q·k + Σ biases)·v of q `[…, N, E]`, k `[…, E, M]` (as the product reads it), v `[…, M, V]`, biases that broadcast to
 * `[…, N, M]`; the dimensions in front are equal.  ∂: `AttentionGrad`
 */
export const Attention = defineOp({
  infer: (_, q, __, v) => ({ dtype: q.dtype, shape: [...q.shape.slice(0, -1), v.dim(-1)] }),
  vjp: ({ node, y, dy }, ...inputs) => {
    let gradients: readonly Tensor[] | undefined;
    const all = (): readonly Tensor[] => {
      const options = { outputs: inputs.length, domain: INTERNAL_DOMAIN };
      gradients ??= y.graph.emit('AttentionGrad', [y, dy, ...inputs], node.attributes, options);
      return gradients;
    };
    return inputs.map((_, i) => () => all()[i] as Tensor);
  },
});

/**
 * ∂q, ∂k, ∂v and the gradient of each bias, `[…, N, M]`, from y, dy and the inputs of `Attention`. With P the softmax and
 * D = Σ dy·y over the last axis, which is Σ P·dP (Dao et al. 2022, FlashAttention, appendix B.2):
 * dP = dy·vᵀ, dS = P·(dP − D), ∂q = scale·dS·kᵀ, ∂k = scale·qᵀ·dS, ∂v = Pᵀ·dy, ∂bias = dS
 */
export const AttentionGrad = defineOp({
  infer: (_, _y, _dy, q, k, v, ...biases) => {
    const scores = { dtype: q.dtype, shape: [...q.shape.slice(0, -1), k.dim(-1)] };
    return [typeOf(q), typeOf(k), typeOf(v), ...biases.map(() => scores)];
  },
  // Without a rule it would stop the gradient.
  vjp: () => {
    throw new GlobalPercError('attention has no second derivative', { code: 'unsupported-operator' });
  },
});
