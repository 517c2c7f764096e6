/** Choosing among values (Where, Min, Max, Clip), comparing them, and logic. */
import { broadcastShapes, type Tensor } from '../graph/index.js';
import { defineOp, type Gradient, type OpDefinition } from './define.js';
import { requireThat } from './helpers/fits.js';
import { broadcast, broadcastAs, commonDtype, sameAsInput } from './helpers/infer.js';

/**
 * y = min(max(x, low), high).  ∂x = dy where low < x < high: hardtanh (ReLU6) and a clamp by numbers pass nothing at a
 * bound;  ∂low = dy where x < low < high;  ∂high = dy where x > high or low > high
 */
export const Clip = defineOp({
  infer: (_, x, low, high) => {
    for (const bound of [low, high])
      requireThat(bound === undefined || bound.size === 1, () => `a bound is one number, got shape [${bound?.shape}]`);
    return { dtype: x.dtype, shape: x.shape };
  },
  vjp: ({ dy }, x, low?: Tensor, high?: Tensor) => [
    () => {
      const raised = low === undefined ? dy : x.greater(low).where(dy, 0);
      return high === undefined ? raised : x.less(high).where(raised, 0);
    },
    low === undefined ? null : () => belowLow(x, low, high).where(dy, 0),
    high === undefined ? null : () => aboveHigh(x, low, high).where(dy, 0),
  ],
});

const belowLow = (x: Tensor, low: Tensor, high?: Tensor): Tensor =>
  high === undefined ? x.less(low) : x.less(low).logicalAnd(low.less(high));

const aboveHigh = (x: Tensor, low: Tensor | undefined, high: Tensor): Tensor =>
  low === undefined ? x.greater(high) : x.greater(high).logicalOr(low.greater(high));

type Choose = (a: Tensor, b: Tensor) => Tensor;

/** The larger or smaller of its inputs, taken pairwise from the left as chained `torch.maximum` does. */
const extremum = (op: 'Max' | 'Min', loses: Choose): OpDefinition =>
  defineOp({
    infer: broadcast,
    vjp: ({ dy }, ...inputs) => pairwise(op, loses, inputs, () => dy),
  });

function pairwise(op: string, loses: Choose, inputs: readonly Tensor[], dy: () => Tensor): Gradient[] {
  const [last, others] = [inputs.at(-1), inputs.slice(0, -1)];
  if (last === undefined || others.length === 0) return [dy];
  const rest = once(() => (others.length === 1 ? others[0] : last.graph.emit(op, others)[0]) as Tensor);
  const share = (mine: Tensor, other: Tensor): Tensor =>
    mine.equal(other).where(dy().mul(0.5), loses(mine, other).where(0, dy()));
  return [
    ...pairwise(
      op,
      loses,
      others,
      once(() => share(rest(), last)),
    ),
    () => share(last, rest()),
  ];
}

/** Remembers the result, so that inputs share the nodes it emits. */
function once(compute: () => Tensor): () => Tensor {
  let result: Tensor | undefined;
  return () => {
    result ??= compute();
    return result;
  };
}

/** y = max(a, b, …).  ∂ = dy for the largest; two that tie take half each */
export const Max = extremum('Max', (mine, other) => mine.less(other));

/** y = min(a, b, …).  ∂ = dy for the smallest; two that tie take half each */
export const Min = extremum('Min', (mine, other) => mine.greater(other));

/** y = a where c, else b.  ∂a = dy where c, else 0;  ∂b = 0 where c, else dy */
export const Where = defineOp({
  infer: (_, condition, a, b) => ({
    dtype: commonDtype(a, b),
    shape: broadcastShapes(condition.shape, a.shape, b.shape),
  }),
  vjp: ({ dy }, condition) => [null, () => condition.where(dy, 0), () => condition.where(0, dy)],
});

/** y = (a = b) */
export const Equal = defineOp({ infer: broadcastAs('bool') });

/** y = a > b */
export const Greater = defineOp({ infer: broadcastAs('bool') });

/** y = a ≥ b */
export const GreaterOrEqual = defineOp({ infer: broadcastAs('bool') });

/** y = a < b */
export const Less = defineOp({ infer: broadcastAs('bool') });

/** y = a ≤ b */
export const LessOrEqual = defineOp({ infer: broadcastAs('bool') });

/** y = a ∧ b */
export const And = defineOp({ infer: broadcastAs('bool') });

/** y = a ∨ b */
export const Or = defineOp({ infer: broadcastAs('bool') });

/** y = a ⊕ b */
export const Xor = defineOp({ infer: broadcastAs('bool') });

/** y = ¬a */
export const Not = defineOp({ infer: sameAsInput });
