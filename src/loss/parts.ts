/** What a loss is the sum of, put together: the loss, its samples, its maps. */
import { concat, GlobalPercError, type Tensor } from '../graph/index.js';
import { type Comparison, type HookSite, type Part, type Scene, type Summand, withWeights } from './description.js';
import type { Measured } from './measured.js';

/** Σ weight · loss over hooks. @param measured one for each site. @throws GlobalPercError when a mask weighs none of them. */
export function weightedHooks(
  scene: Scene,
  sites: readonly HookSite[],
  measured: readonly (Part & Pick<Measured, 'loss'>)[],
  weights: readonly number[],
): Comparison {
  requireMasked(scene, measured);
  const hookLosses = concat(
    measured.map(({ loss }) => loss.reshape([1])),
    0,
  );
  const summands = measured.map((part, i) => ({ weight: weights[i] as number, part }));
  return { loss: weightedSum(hookLosses, weights, 0), hookLosses, hooks: withWeights(sites, weights), summands };
}

/** @throws GlobalPercError when a mask weighs nothing of what is compared. */
export function requireMasked({ mask }: Scene, measured: readonly Pick<Part, 'grid'>[]): void {
  if (mask === undefined || measured.some(({ grid }) => grid !== undefined)) return;
  throw new GlobalPercError(`a mask has no effect: ${NO_PLACES}`, { code: 'invalid-option' });
}

const NO_PLACES =
  'nothing that this loss compares has a place in the image; hook modules in front of the pooling, and take a distance ' +
  "that keeps places, such as new NormalizedTensorLoss('l1', 'mean', 'none')";

/** Losses of the samples by summand, unweighted, `[summands, B]`; undefined where samples cannot be told apart. */
export function samplesOf(summands: readonly Summand[]): Tensor | undefined {
  const samples = summands.map(({ part }) => part.samples());
  return samples.every((row) => row !== undefined) ? concat(samples, 0).reshape([samples.length, -1]) : undefined;
}

/** A part that compares at no place in the image. */
export const placeless = (samples: Part['samples']): Part => ({
  samples,
  grid: undefined,
  withoutPlace: 0,
  map: () => undefined,
});

/** Maps of the summands that have places, unweighted, `[B, maps, H, W]`. @throws GlobalPercError when none has. */
export function mapsOf(summands: readonly Summand[]): Tensor {
  const maps = summands.flatMap(({ part }) => part.map() ?? []);
  if (maps.length > 0) return concat(maps, 1);
  throw new GlobalPercError(`there is no map: ${NO_PLACES}`, { code: 'invalid-option' });
}

/** Σ weight · x along an axis, which is kept. */
export function weightedSum(x: Tensor, weights: readonly number[], axis: number): Tensor {
  const shape = x.shape.map((_, i) => (i === axis ? weights.length : 1));
  return x.mul(x.constant(weights, shape)).sum([axis], true);
}
