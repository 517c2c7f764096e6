/** What the gradients of recurrent layers share: the steps of a sequence, and activations known by what they gave. */
import { concat, type Tensor } from '../../graph/index.js';

/** One direction of a recurrent layer, its first step first; G gates: 1 for RNN, 3 for GRU, 4 for LSTM. */
export interface Direction {
  /** [T, B, I] */
  readonly x: Tensor;
  /** [G·H, I] */
  readonly w: Tensor;
  /** [G·H, H] */
  readonly r: Tensor;
  /** [2·G·H]: those of w, then those of r. */
  readonly b: Tensor | undefined;
  /** [B, H] */
  readonly h0: Tensor;
  /** The cell before the first step, [B, H]; zeros where a layer has none. */
  readonly c0: Tensor;
  /** All states, [T, B, H]. */
  readonly y: Tensor;
  /** In the operator's order. */
  readonly activations: readonly Activation[];
  /** GRU: the reset gate multiplies the state after it was multiplied with r, not before. */
  readonly linearBeforeReset: boolean;
}

/** Gradients of what a layer returns: all states, the last state, the last cell. */
export interface Received {
  readonly dy: Tensor;
  readonly dh: Tensor;
  readonly dc: Tensor;
}

/** Gradients of what a layer is given. */
export type Returned = Readonly<Record<'x' | 'w' | 'r' | 'b' | 'h0' | 'c0', Tensor>>;

/** The activations whose slope their value tells: f′ as a function of f. */
const SLOPES = {
  Sigmoid: (s: Tensor): Tensor => s.mul(s.subtractFrom(1)),
  Tanh: (t: Tensor): Tensor => t.square().subtractFrom(1),
  Relu: (y: Tensor): Tensor => y.greater(0).cast(y.dtype),
};

export type Activation = keyof typeof SLOPES;

export const isActivation = (name: string): name is Activation => name in SLOPES;

/** The slope of an activation where it has the value y. */
export const slopeOf = (activation: Activation, y: Tensor): Tensor => SLOPES[activation](y);

/** x·Wᵀ + b, with W and b of all gates or some of them. */
export const linear = (x: Tensor, w: Tensor, b: Tensor | undefined): Tensor => {
  const product = x.matmul(w.transpose([1, 0]));
  return b ? product.add(b) : product;
};

/** The biases of w and of r. */
export const biasesOf = (b: Tensor | undefined): [Tensor, Tensor] | [undefined, undefined] => {
  if (b === undefined) return [undefined, undefined];
  const half = b.dim(0) / 2;
  return [b.slice([0], [0], [half]), b.slice([0], [half], [2 * half])];
};

/** Gate number k on an axis of gates of `hidden` elements each, or `count` gates from it on. */
export const gateOf = (all: Tensor, axis: number, hidden: number, k: number, count = 1): Tensor =>
  all.slice([axis], [k * hidden], [(k + count) * hidden]);

/** What each step starts from: `first`, then all but the last. */
export const shifted = (first: Tensor, all: Tensor): Tensor =>
  all.dim(0) === 1 ? first.unsqueeze([0]) : concat([first.unsqueeze([0]), all.slice([0], [0], [all.dim(0) - 1])], 0);

export const at = (all: Tensor, t: number): Tensor => all.slice([0], [t], [t + 1]).squeeze([0]);

export const stacked = (steps: readonly Tensor[]): Tensor =>
  concat(
    steps.map((step) => step.unsqueeze([0])),
    0,
  );

/** [T, B, …] → [T·B, …] */
export const rowsOf = (all: Tensor): Tensor => all.reshape([-1, all.dim(2)]);

/** Σ over steps and batch of daᵀ·x: the gradient of W in a = x·Wᵀ. */
export const weightGradientOf = (da: Tensor, x: Tensor): Tensor => rowsOf(da).transpose([1, 0]).matmul(rowsOf(x));
