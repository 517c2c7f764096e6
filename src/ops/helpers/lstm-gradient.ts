/** The gradient of one direction of an LSTM, step by step from the last to the first. */
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

/**
 * With a = W·x + R·h₋₁ + b, the gates i, o, f = σ(a) and g = φ(a), c = f·c₋₁ + i·g and h = o·ψ(c), from the last step on:
 *   dc = dh·o·ψ′ + dc₊₁·f₊₁,  da = (dc·g·σ′, dh·ψ(c)·σ′, dc·c₋₁·σ′, dc·i·φ′),  dh₋₁ += Rᵀ·da
 */
export function lstmGradient(lstm: Direction, { dy, dh, dc }: Received): Returned {
  const { x, w, r, h0, c0, y } = lstm;
  const [sigma, phi, psi] = lstm.activations as [Activation, Activation, Activation];
  const previous = shifted(h0, y);
  const [i, o, f, g] = gatesOf(lstm, previous);
  const cells = cellsOf(f, i.mul(g), c0);
  const activated = cells.unary(psi);
  const throughCell = o.mul(slopeOf(psi, activated));
  const factors = [
    g.mul(slopeOf(sigma, i)),
    activated.mul(slopeOf(sigma, o)),
    shifted(c0, cells).mul(slopeOf(sigma, f)),
    i.mul(slopeOf(phi, g)),
  ];
  const slopes = concat(factors, 2);
  const steps: Tensor[] = [];
  let [state, cell] = [dh, dc];
  for (let t = y.dim(0) - 1; t >= 0; t -= 1) {
    state = at(dy, t).add(state);
    cell = state.mul(at(throughCell, t)).add(cell);
    const da = concat([cell, state, cell, cell], 1).mul(at(slopes, t));
    steps.unshift(da);
    state = da.matmul(r);
    cell = cell.mul(at(f, t));
  }
  const da = stacked(steps);
  const biases = da.sum([0, 1]);
  return {
    x: da.matmul(w),
    w: weightGradientOf(da, x),
    r: weightGradientOf(da, previous),
    b: concat([biases, biases], 0),
    h0: state,
    c0: cell,
  };
}

/** The gates i, o, f and g at all steps, each [T, B, H]. */
function gatesOf({ x, w, r, b, activations }: Direction, previous: Tensor): [Tensor, Tensor, Tensor, Tensor] {
  const [sigma, phi] = activations as [Activation, Activation];
  const [ofInput, ofState] = biasesOf(b);
  const whole = linear(x, w, ofInput).add(linear(previous, r, ofState));
  const gate = (k: number): Tensor => gateOf(whole, 2, r.dim(1), k);
  return [gate(0).unary(sigma), gate(1).unary(sigma), gate(2).unary(sigma), gate(3).unary(phi)];
}

/** cₜ = fₜ·cₜ₋₁ + addedₜ at all steps. */
function cellsOf(f: Tensor, added: Tensor, c0: Tensor): Tensor {
  const cells: Tensor[] = [];
  for (let t = 0; t < f.dim(0); t += 1)
    cells.push(
      at(f, t)
        .mul(cells.at(-1) ?? c0)
        .add(at(added, t)),
    );
  return stacked(cells);
}
