/** Elementwise functions and softmax. */
import { float, GlobalPercError, int, normalizeAxis, string, type Tensor } from '../../graph/index.js';
import { perChannel } from '../../ops/index.js';
import { checkOptions } from '../../options/index.js';
import {
  type GELUApproximation,
  geluApproximation,
  type SoftplusOptions,
  softplusChecks,
} from '../options/activation.js';

const emit = (op: string, x: Tensor): Tensor => x.graph.emit(op, [x])[0] as Tensor;

/** max(x, 0) */
export const relu = (x: Tensor): Tensor => x.relu();
/** min(max(x, low), high) */
export const hardtanh = (x: Tensor, minVal = -1, maxVal = 1): Tensor =>
  x.graph.emit('Clip', [x, x.graph.scalar(minVal, x.dtype), x.graph.scalar(maxVal, x.dtype)])[0] as Tensor;
/** min(max(x, 0), 6) */
export const relu6 = (x: Tensor): Tensor => hardtanh(x, 0, 6);
/** x, or slope·x below 0 */
export const leakyRelu = (x: Tensor, negativeSlope = 0.01): Tensor => x.unary('LeakyRelu', negativeSlope);
/** x, or weight·x below 0; one weight for all or one per channel (dimension 1) */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  const slopes = weight.size === 1 ? weight : perChannel(weight, x.rank);
  return x.graph.emit('PRelu', [x, slopes])[0] as Tensor;
}
/** x, or α·(eˣ − 1) below 0 */
export const elu = (x: Tensor, alpha = 1): Tensor => x.unary('Elu', alpha);
/** γ·x, or γ·α·(eˣ − 1) below 0, with α ≈ 1.6733 and γ ≈ 1.0507 */
export const selu = (x: Tensor): Tensor => emit('Selu', x);
/** x, or α·(e^(x/α) − 1) below 0 */
export const celu = (x: Tensor, alpha = 1): Tensor => x.unary('Celu', alpha);
/** x·Φ(x), Φ by erf or by its tanh approximation */
export function gelu(x: Tensor, approximate: GELUApproximation = 'none'): Tensor {
  const kind = geluApproximation(approximate, 'gelu: approximate');
  return x.graph.emit('Gelu', [x], { approximate: string(kind) })[0] as Tensor;
}
/** x·σ(x) */
export const silu = (x: Tensor): Tensor => x.mul(x.sigmoid());
/** x·tanh(ln(1 + eˣ)) */
export const mish = (x: Tensor): Tensor => emit('Mish', x);
/** x·min(max(x/6 + 1/2, 0), 1) */
export const hardswish = (x: Tensor): Tensor => emit('HardSwish', x);
/** min(max(x/6 + 1/2, 0), 1) */
export const hardsigmoid = (x: Tensor): Tensor =>
  x.graph.emit('HardSigmoid', [x], { alpha: float(1 / 6), beta: float(0.5) })[0] as Tensor;
/** 1/(1 + e⁻ˣ) */
export const sigmoid = (x: Tensor): Tensor => x.sigmoid();
/** ln σ(x) */
export const logsigmoid = (x: Tensor): Tensor => emit('Softplus', x.neg()).neg();
/** tanh x */
export const tanh = (x: Tensor): Tensor => x.tanh();
/** x − tanh x */
export const tanhshrink = (x: Tensor): Tensor => x.sub(x.tanh());
/** x/(1 + |x|) */
export const softsign = (x: Tensor): Tensor => emit('Softsign', x);
/** x + λ below −λ, x − λ above λ, 0 between */
export const softshrink = (x: Tensor, lambd = 0.5): Tensor =>
  // The shift alone would pass a gradient where |x| is λ; PyTorch has none there.
  x
    .abs()
    .greater(lambd)
    .where(x.sub(hardtanh(x, -lambd, lambd)), 0);
/** x, or 0 where |x| ≤ λ */
export const hardshrink = (x: Tensor, lambd = 0.5): Tensor => x.abs().greater(lambd).where(x, 0);
/** x where it is above the threshold, else the value */
export const threshold = (x: Tensor, bound: number, value: number): Tensor => x.greater(bound).where(x, value);
/** ln(1 + e^βx)/β, or x where β·x exceeds the threshold */
export function softplus(x: Tensor, options: SoftplusOptions = {}): Tensor {
  const { beta = 1, threshold: bound = 20 } = checkOptions(options, softplusChecks, 'softplus');
  const scaled = beta === 1 ? x : x.mul(beta);
  const bent = beta === 1 ? emit('Softplus', x) : emit('Softplus', scaled).mul(1 / beta);
  // From 20 on, the two are one number in float32.
  return bound >= 20 ? bent : scaled.greater(bound).where(x, bent);
}
/** eˣ/Σeˣ along `dim` */
export const softmax = (x: Tensor, dim: number): Tensor => x.softmax(normalizeAxis(dim, x.rank));
/** e⁻ˣ/Σe⁻ˣ along `dim` */
export const softmin = (x: Tensor, dim: number): Tensor => softmax(x.neg(), dim);
/** x − ln Σeˣ along `dim` */
export const logSoftmax = (x: Tensor, dim: number): Tensor =>
  x.graph.emit('LogSoftmax', [x], { axis: int(normalizeAxis(dim, x.rank)) })[0] as Tensor;
/** a·σ(b), a and b being the halves of x along `dim`. @throws GlobalPercError when x cannot be halved there. */
export function glu(x: Tensor, dim = -1): Tensor {
  const axis = normalizeAxis(dim, x.rank);
  const half = x.dim(axis) / 2;
  if (!Number.isInteger(half)) {
    throw new GlobalPercError(`glu: dimension ${dim} of [${x.shape}] should be even: it is halved`, {
      code: 'invalid-argument',
    });
  }
  const [a, b] = [x.slice([axis], [0], [half]), x.slice([axis], [half], [2 * half])];
  return a.mul(b.sigmoid());
}
