/** The gradient of one direction of a plain recurrent layer, step by step from the last to the first. */
import { concat, type Tensor } from '../../graph/index.js';
import {
  type Activation,
  at,
  type Direction,
  type Received,
  type Returned,
  shifted,
  slopeOf,
  stacked,
  weightGradientOf,
} from './recurrent-steps.js';

/** With h = f(a) and a = W·x + R·h₋₁ + b, from the last step on: da = dh·f′, dh₋₁ += Rᵀ·da */
export function rnnGradient({ x, w, r, h0, c0, y, activations }: Direction, { dy, dh }: Received): Returned {
  const slopes = slopeOf(activations[0] as Activation, y);
  const steps: Tensor[] = [];
  let state = dh;
  for (let t = y.dim(0) - 1; t >= 0; t -= 1) {
    const da = at(dy, t).add(state).mul(at(slopes, t));
    steps.unshift(da);
    state = da.matmul(r);
  }
  const da = stacked(steps);
  const biases = da.sum([0, 1]);
  return {
    x: da.matmul(w),
    w: weightGradientOf(da, x),
    r: weightGradientOf(da, shifted(h0, y)),
    b: concat([biases, biases], 0),
    h0: state,
    c0,
  };
}
