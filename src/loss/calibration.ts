/** The scale of each hook on noise, by which `dynamicNormalization` divides the weights. */
import { Runner } from '../compile/index.js';
import type { Shape } from '../graph/index.js';
import type { TensorLike } from '../model/index.js';
import type { Steps } from '../runtime/index.js';
import type { LossDescription, RunContext } from './description.js';
import type { LossDetails } from './draft.js';
import { normalPairs } from './noise.js';
import { compute } from './run.js';

/** Pairs of random inputs whose losses set the scale of each hook. */
const PAIRS = 10;
/** Keeps the division finite for a hook that never differs. */
const EPSILON = 1e-5;

/** The pairs of inputs that are compared: ten, standard normal, the same for the same shape. */
export const calibrationPairs = (shape: Shape): [TensorLike, TensorLike][] => normalPairs(shape, PAIRS);

/** wᵢ / (|mean lossᵢ| + 10⁻⁵) over some pairs of inputs. */
export function* calibratedWeights(
  description: LossDescription,
  weights: readonly number[],
  pairs: readonly (readonly [TensorLike, TensorLike])[],
  { session, options }: RunContext,
): Steps<readonly number[]> {
  const sums = weights.map(() => 0);
  const runner = new Runner<LossDetails>('calibration', session);
  // Noise is neither an image nor reason for another calibration.
  const plain: LossDescription = {
    openInputs: description.openInputs ?? [],
    prediction: (scene) => description.prediction(scene),
    target: (scene) => description.target(scene),
    compare: (prediction, target, scene) => description.compare(prediction, target, scene),
  };
  try {
    for (const [first, second] of pairs) {
      const loss = { owner: runner, description: plain, runner, session };
      const { hooks } = yield* compute(loss, first, second, false, options);
      for (const { index, loss: value } of hooks) sums[index] = (sums[index] as number) + value;
    }
  } finally {
    yield* runner.close();
  }
  return weights.map((weight, i) => weight / (Math.abs((sums[i] as number) / pairs.length) + EPSILON));
}
