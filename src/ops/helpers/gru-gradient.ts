/** The gradient of one direction of a GRU, step by step from the last to the first. */
import { concat, type Tensor } from '../../graph/index.js';
import {
  type Activation,
  at,
  biasesOf,
  type Direction,
  gateOf,
  linear,
  type Received,
  type Returned,
  shifted,
  slopeOf,
  stacked,
  weightGradientOf,
} from './recurrent-steps.js';

/** What a GRU held at all steps, each [T, B, H]. */
interface Gates {
  /** The states before each step. */
  readonly previous: Tensor;
  /** Update and reset gate, and the candidate for the next state. */
  readonly z: Tensor;
  readonly r: Tensor;
  readonly n: Tensor;
  /** What r multiplies: R·h₋₁ + b if linear before reset, else h₋₁. */
  readonly gated: Tensor;
}

/**
 * With z, r = σ(a), a = W·x + R·h₋₁ + b for each gate, and h = (1 − z)·n + z·h₋₁, from the last step on:
 *   daₙ = dh·(1 − z)·φ′,  da_z = dh·(h₋₁ − n)·σ′,  dh₋₁ += dh·z + R_zᵀ·da_z + R_rᵀ·da_r, and
 *   n = φ(Wₙ·x + b + r·u), u = Rₙ·h₋₁ + b′ (linear before reset):  da_r = daₙ·u·σ′,  dh₋₁ += Rₙᵀ·(r·daₙ)
 *   n = φ(Wₙ·x + b + Rₙ·(r·h₋₁)):  da_r = (Rₙᵀ·daₙ)·h₋₁·σ′,  dh₋₁ += r·(Rₙᵀ·daₙ)
 */
export function gruGradient(gru: Direction, { dy, dh }: Received): Returned {
  const { x, w, c0, y, linearBeforeReset } = gru;
  const hidden = gru.r.dim(1);
  const [sigma, phi] = gru.activations as [Activation, Activation];
  const gates = gatesOf(gru);
  const { previous, z, r, n, gated } = gates;
  const ofUpdate = previous.sub(n).mul(slopeOf(sigma, z));
  const ofCandidate = z.subtractFrom(1).mul(slopeOf(phi, n));
  const ofReset = gated.mul(slopeOf(sigma, r));
  const [gateWeights, candidateWeights] = [gateOf(gru.r, 0, hidden, 0, 2), gateOf(gru.r, 0, hidden, 2)];
  const steps: Tensor[] = [];
  let state = dh;
  for (let t = y.dim(0) - 1; t >= 0; t -= 1) {
    state = at(dy, t).add(state);
    const candidate = state.mul(at(ofCandidate, t));
    const turned = linearBeforeReset ? candidate : candidate.matmul(candidateWeights);
    const both = concat([state.mul(at(ofUpdate, t)), turned.mul(at(ofReset, t))], 1);
    steps.unshift(concat([both, candidate], 1));
    const reset = turned.mul(at(r, t));
    const through = linearBeforeReset ? reset.matmul(candidateWeights) : reset;
    state = state.mul(at(z, t)).add(both.matmul(gateWeights)).add(through);
  }
  const da = stacked(steps);
  return { x: da.matmul(w), w: weightGradientOf(da, x), ...recurrentGradients(gru, gates, da), h0: state, c0 };
}

/** ∂R and ∂b: what multiplies Rₙ differs from what multiplies the gates' part of R. */
function recurrentGradients(gru: Direction, { previous, r }: Gates, da: Tensor): Pick<Returned, 'r' | 'b'> {
  const hidden = gru.r.dim(1);
  const [both, candidate] = [gateOf(da, 2, hidden, 0, 2), gateOf(da, 2, hidden, 2)];
  const [inner, state] = gru.linearBeforeReset ? [candidate.mul(r), previous] : [candidate, previous.mul(r)];
  return {
    r: concat([weightGradientOf(both, previous), weightGradientOf(inner, state)], 0),
    b: concat(
      [da, both, inner].map((part) => part.sum([0, 1])),
      0,
    ),
  };
}

function gatesOf({ x, w, r: weights, b, h0, y, activations, linearBeforeReset }: Direction): Gates {
  const [sigma, phi] = activations as [Activation, Activation];
  const hidden = weights.dim(1);
  const [ofInput, ofState] = biasesOf(b);
  const previous = shifted(h0, y);
  const input = linear(x, w, ofInput);
  const part = (k: number): [Tensor, Tensor | undefined] => [
    gateOf(weights, 0, hidden, k),
    ofState && gateOf(ofState, 0, hidden, k),
  ];
  const gate = (k: number): Tensor =>
    gateOf(input, 2, hidden, k)
      .add(linear(previous, ...part(k)))
      .unary(sigma);
  const [z, r] = [gate(0), gate(1)];
  const gated = linearBeforeReset ? linear(previous, ...part(2)) : previous;
  const reset = linearBeforeReset ? r.mul(gated) : linear(r.mul(gated), ...part(2));
  return { previous, z, r, n: gateOf(input, 2, hidden, 2).add(reset).unary(phi), gated };
}
