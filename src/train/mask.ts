/** Masks of training steps. */
import { GlobalPercError, type Shape } from '../graph/index.js';
import { maskFeeds, maskShape } from '../loss/index.js';
import type { TensorLike } from '../model/index.js';
import type { HostTensor } from '../runtime/index.js';

/**
 * The mask of a call as its step is fed it: one for the whole batch is repeated, as a step has inputs of one shape.
 * @param made whether the trainer was made for masks. @param output shape of the student's output.
 * @throws GlobalPercError when the mask does not fit, and where there is one and should be none, or the other way round.
 */
export function stepMask(made: boolean, given: TensorLike | undefined, output: Shape): { readonly mask?: HostTensor } {
  const { mask } = maskFeeds(given, output);
  if ((mask !== undefined) !== made) {
    const problem = made
      ? 'this trainer was made for masks: give one with every call, step(input, target, { mask })'
      : 'a mask needs a trainer made for masks: Trainer.create(student, loss, optimizer, { batch, mask: true })';
    throw new GlobalPercError(problem, { code: 'invalid-argument' });
  }
  const batch = output[0] as number;
  if (mask === undefined || mask.dims[0] === batch) return mask ? { mask } : {};
  const one = mask.data as Float32Array;
  const data = Float32Array.from({ length: one.length * batch }, (_, i) => one[i % one.length] as number);
  return { mask: { ...mask, dims: maskShape(output), data } };
}
