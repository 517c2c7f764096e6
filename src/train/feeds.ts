/** What a call of a trainer gives, as what its program is fed. */
import { GlobalPercError, type Shape, sameShape, type TensorType } from '../graph/index.js';
import { type CallOptions, descriptionOf, openFeeds } from '../loss/index.js';
import type { TensorLike } from '../model/index.js';
import type { HostTensor } from '../runtime/index.js';
import { checkedTensor, type StepInput } from './inputs.js';
import { stepMask } from './mask.js';
import { madeOf, type Recipe, type StepDetails } from './step.js';

/** Inputs of the student, target, mask, and open inputs of the loss. @throws GlobalPercError for what is missing or does not fit. */
export function stepFeeds(
  recipe: Recipe,
  details: StepDetails,
  input: StepInput,
  target: TensorLike | undefined,
  options: CallOptions,
): Record<string, HostTensor> {
  const description = descriptionOf(recipe.loss);
  const given = recipe.inputs.feeds(input);
  const [first] = Object.values(given) as [HostTensor];
  const wanted = details.target && targetFeed(recipe, target, details.target, details.output);
  if (wanted) description.requireTarget?.(wanted, details.output);
  // What goes from image to image is given the mistake of its target.
  if (!wanted || sameShape(first.dims, wanted.dims)) description.inspect?.('input', first);
  if (wanted) description.inspect?.('target', wanted);
  requireLossInputs(recipe, options);
  return {
    ...given,
    ...(wanted && { target: wanted }),
    ...stepMask(recipe.mask, options.mask, details.output),
    ...openFeeds(description.openInputs, options),
  };
}

/** @throws GlobalPercError when there is none, or it does not fit. */
function targetFeed(
  { inputs }: Recipe,
  target: TensorLike | undefined,
  { dtype, shape }: TensorType,
  output: Shape,
): HostTensor {
  if (target !== undefined) return checkedTensor('target', target, dtype, shape, madeOf(inputs, output));
  throw new GlobalPercError(`the loss compares with a target [${shape}]: step(input, target)`, {
    code: 'invalid-argument',
  });
}

/** @throws GlobalPercError for an open input of another shape than the trainer was told. */
function requireLossInputs({ lossInputs }: Recipe, { inputs }: CallOptions): void {
  for (const [name, shape] of Object.entries(lossInputs)) {
    const value = inputs?.[name];
    const given = typeof value === 'number' ? [] : (value?.dims ?? shape);
    if (sameShape(given, shape)) continue;
    throw new GlobalPercError(`input '${name}' has shape [${given}], the trainer was made for [${shape}]`, {
      code: 'invalid-argument',
    });
  }
}
