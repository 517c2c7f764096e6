/** The gradient of one direction of an LSTM, step by step from the last to the first. */
import { concat, type Tensor } from '../../graph/index.js';

/** One direction, its first step first: x [T, B, I], w [4H, I], r [4H, H], b [8H], y [T, B, H], h₀ and c₀ [B, H]. */
export interface Lstm {
  readonly x: Tensor;
  readonly w: Tensor;
  readonly r: Tensor;
  readonly b: Tensor | undefined;
  readonly h0: Tensor;
  readonly c0: Tensor;
  readonly y: Tensor;
}

/** Gradients of what an LSTM returns: all states, the last state, the last cell. */
export interface Received {
  readonly dy: Tensor;
  readonly dh: Tensor;
  readonly dc: Tensor;
}

/** Gradients of what an LSTM is given. */
export type Returned = Readonly<Record<Exclude<keyof Lstm, 'y'>, Tensor>>;

/**
 * With a = W·x + R·h₋₁ + b, the gates i, o, f = σ(a), g = tanh(a), c = f·c₋₁ + i·g and h = o·tanh(c), from the last step on:
 *   dc = dh·o·(1 − tanh²c) + dc₊₁·f₊₁,  da = (dc·g·i(1−i), dh·tanh(c)·o(1−o), dc·c₋₁·f(1−f), dc·i·(1−g²)),  dh₋₁ += Rᵀ·da
 */
export function lstmGradient(lstm: Lstm, { dy, dh, dc }: Received): Returned {
  const { x, w, r, h0, c0, y } = lstm;
  const previous = shifted(h0, y);
  const [i, o, f, g] = gatesOf(lstm, previous);
  const cells = cellsOf(f, i.mul(g), c0);
  const activated = cells.tanh();
  const throughCell = o.mul(slopeOfTanh(activated));
  const factors = [
    g.mul(slopeOfSigmoid(i)),
    activated.mul(slopeOfSigmoid(o)),
    shifted(c0, cells).mul(slopeOfSigmoid(f)),
    i.mul(slopeOfTanh(g)),
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
  const all = stacked(steps);
  const rows = rowsOf(all).transpose([1, 0]);
  const biases = all.sum([0, 1]);
  return {
    x: all.matmul(w),
    w: rows.matmul(rowsOf(x)),
    r: rows.matmul(rowsOf(previous)),
    b: concat([biases, biases], 0),
    h0: state,
    c0: cell,
  };
}

/** The gates i, o, f and g at all steps, each [T, B, H]. */
function gatesOf({ x, w, r, b }: Lstm, previous: Tensor): [Tensor, Tensor, Tensor, Tensor] {
  const hidden = r.dim(1);
  const products = x.matmul(w.transpose([1, 0])).add(previous.matmul(r.transpose([1, 0])));
  const whole = b ? products.add(b.reshape([2, -1]).sum([0])) : products;
  const gate = (k: number): Tensor => whole.slice([2], [k * hidden], [(k + 1) * hidden]);
  return [gate(0).sigmoid(), gate(1).sigmoid(), gate(2).sigmoid(), gate(3).tanh()];
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

/** What each step starts from: `first`, then all but the last. */
const shifted = (first: Tensor, all: Tensor): Tensor =>
  all.dim(0) === 1 ? first.unsqueeze([0]) : concat([first.unsqueeze([0]), all.slice([0], [0], [all.dim(0) - 1])], 0);

const at = (all: Tensor, t: number): Tensor => all.slice([0], [t], [t + 1]).squeeze([0]);

const stacked = (steps: readonly Tensor[]): Tensor =>
  concat(
    steps.map((step) => step.unsqueeze([0])),
    0,
  );

/** [T, B, …] → [T·B, …] */
const rowsOf = (all: Tensor): Tensor => all.reshape([-1, all.dim(2)]);

const slopeOfSigmoid = (s: Tensor): Tensor => s.mul(s.subtractFrom(1));
const slopeOfTanh = (t: Tensor): Tensor => t.square().subtractFrom(1);
