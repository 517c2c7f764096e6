/** Activations of com.microsoft, with the additions before them. */
import { int, string, type Value } from '../../graph/index.js';
import type { Draft, Expansions } from '../draft.js';

/** The erf form, and the one with tanh. */
const gelu = (draft: Draft, x: Value, approximate: 'none' | 'tanh'): Value =>
  draft.prepend('Gelu', [x], { approximate: string(approximate) });

/** x·σ(x) */
export const silu = (draft: Draft, x: Value): Value => draft.prepend('Mul', [x, draft.prepend('Sigmoid', [x])]);

/** Input and bias added. */
const biased = (draft: Draft): Value => draft.sum(draft.inputs[0] as Value, draft.inputs[1]);

/** x·σ(αx) */
function quickGelu(draft: Draft, x: Value): Value {
  const scaled = draft.prepend('Mul', [x, draft.scalar('alpha', draft.read.float('alpha', 1.702))]);
  return draft.prepend('Mul', [x, draft.prepend('Sigmoid', [scaled])]);
}

/** left·gelu(right), of the halves of x + bias along the last dimension. */
function biasSplitGelu(draft: Draft): Value {
  const halves = draft.prependAll('Split', [biased(draft)], 2, { axis: int(-1), num_outputs: int(2) });
  const [left, right] = halves as [Value, Value];
  return draft.prepend('Mul', [left, gelu(draft, right, 'none')]);
}

export const microsoft: Expansions = {
  Gelu: (draft) => [gelu(draft, draft.inputs[0] as Value, 'none')],
  BiasGelu: (draft) => [gelu(draft, biased(draft), 'none')],
  FastGelu: (draft) => [gelu(draft, biased(draft), 'tanh')],
  QuickGelu: (draft) => [quickGelu(draft, draft.inputs[0] as Value)],
  BiasSplitGelu: (draft) => [biasSplitGelu(draft)],
  BiasAdd: (draft) => [draft.sum(biased(draft), draft.inputs[2])],
};
