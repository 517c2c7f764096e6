/** The discrete Fourier transform of an axis; the last axis holds real and imaginary parts, or real numbers alone. */
import { constantOf, GlobalPercError, int, normalizeAxis, type Tensor } from '../graph/index.js';
import { constantNumber, defineOp, type InferContext } from './define.js';
import { requireShape, requireThat } from './helpers/fits.js';
import { gatherGradient } from './helpers/scatter.js';

/** How an axis is transformed. */
interface Transform {
  readonly axis: number;
  /** Number of elements that the transform is over; others are cut off, missing ones are 0. */
  readonly length: number;
  readonly inverse: boolean;
  /** Spectra of real numbers hold their first half alone: the other mirrors it. */
  readonly onesided: boolean;
}

const halfOf = (length: number): number => Math.floor(length / 2) + 1;

function transformOf(context: InferContext, x: Tensor, length?: Tensor, axisInput?: Tensor): Transform {
  const { attributes } = context;
  const axis = normalizeAxis(constantNumber(context, axisInput, 'the axis') ?? -2, x.rank);
  requireThat(axis < x.rank - 1 && x.dim(-1) <= 2, () => `[${x.shape}] should end with 1 or 2 parts of each number`);
  const [inverse, onesided] = ['inverse', 'onesided'].map((name) => attributes.int(name, 0) === 1) as [
    boolean,
    boolean,
  ];
  const whole = inverse && onesided ? 2 * (x.dim(axis) - 1) : x.dim(axis);
  return { axis, length: constantNumber(context, length, 'the length') ?? whole, inverse, onesided };
}

/**
 * y[k] = Σ x[n]·e^(−2πikn/N), inverse: y[n] = Σ x[k]·e^(2πikn/N)/N, both with the adjoint F → Fᴴ.
 * ∂x = N·inverse(dy), of a half padded with zeros; inverse: ∂x = forward(dy)/N, of a half with the inner elements doubled
 */
export const DFT = defineOp({
  infer: (context, x, length?: Tensor, axis?: Tensor) => {
    const transform = transformOf(context, x, length, axis);
    const count = transform.onesided && !transform.inverse ? halfOf(transform.length) : transform.length;
    const parts = transform.onesided && transform.inverse ? 1 : 2;
    const shape = x.shape.map((dim, i) => (i === transform.axis ? count : i === x.rank - 1 ? parts : dim));
    return { dtype: x.dtype, shape };
  },
  vjp: (context, x, length?: Tensor, axis?: Tensor) => {
    const transform = transformOf(context, x, length, axis);
    const adjoint = transform.inverse ? adjointOfInverse : adjointOfForward;
    return [() => fitted(fitted(adjoint(context.dy, transform), transform.axis, x), x.rank - 1, x), null, null];
  },
});

function adjointOfForward(dy: Tensor, transform: Transform): Tensor {
  const { axis, length } = transform;
  return run(resized(dy, axis, length), { ...transform, inverse: true, onesided: false }).mul(length);
}

function adjointOfInverse(dy: Tensor, transform: Transform): Tensor {
  const { axis, length, onesided } = transform;
  const spectrum = run(dy, { ...transform, inverse: false });
  if (!onesided) return spectrum.div(length);
  const isInner = (k: number): boolean => k > 0 && 2 * k < length;
  const factors = Array.from({ length: halfOf(length) }, (_, k) => (isInner(k) ? 2 : 1) / length);
  const shape = spectrum.shape.map((dim, i) => (i === axis ? dim : 1));
  return spectrum.mul(spectrum.graph.constant(constantOf(spectrum.dtype, shape, factors)));
}

function run(x: Tensor, { axis, length, inverse, onesided }: Transform): Tensor {
  const scalar = (value: number): Tensor => x.graph.constant(constantOf('int64', [], [value]));
  const attributes = { inverse: int(inverse ? 1 : 0), onesided: int(onesided ? 1 : 0) };
  return x.graph.emit('DFT', [x, scalar(length), scalar(axis)], attributes)[0] as Tensor;
}

/** An axis cut off or filled up with zeros, to as many elements as it has in another tensor. */
const fitted = (x: Tensor, axis: number, like: Tensor): Tensor => resized(x, axis, like.dim(axis));

const resized = (x: Tensor, axis: number, size: number): Tensor =>
  x.pad(
    x.shape.map(() => 0),
    x.shape.map((dim, i) => (i === axis ? size - dim : 0)),
  );

/**
 * The Fourier transform of each window of `frame_length` elements, `frame_step` apart, times `window`: y = DFT(w·x[f·step + n])
 * (https://onnx.ai/onnx/operators/onnx__STFT.html; torch.stft pads the signal before it).
 * With g the gradient of w·x: ∂x[i] = Σ w[n]·g[f, n] over the frames with f·step + n = i, ∂w[n] = Σ g[f, n]·x[f·step + n]
 */
export const STFT = defineOp({
  infer: (context, signal, step, window?: Tensor, length?: Tensor) => {
    const frames = framesOf(context, signal, step, window, length);
    const bins = frames.onesided ? halfOf(frames.length) : frames.length;
    return { dtype: signal.dtype, shape: [signal.dim(0), frames.count, bins, 2] };
  },
  vjp: (context, signal, step, window?: Tensor, length?: Tensor) => {
    const frames = framesOf(context, signal, step, window, length);
    const transform = { axis: 2, length: frames.length, inverse: false, onesided: frames.onesided };
    const places = Array.from({ length: frames.count * frames.length }, (_, i) => placeInSignal(i, frames));
    const indices = signal.graph.ints(places);
    const cut = [signal.dim(0), frames.count, frames.length, signal.dim(2)];
    const received = resized(adjointOfForward(context.dy, transform), 3, signal.dim(2));
    const column = window?.reshape([frames.length, 1]);
    const ofSignal = (): Tensor => {
      const windowed = column ? received.mul(column) : received;
      return gatherGradient(windowed.reshape([signal.dim(0), places.length, signal.dim(2)]), indices, 1, signal.dim(1));
    };
    const ofWindow = (): Tensor => signal.gather(indices, 1).reshape(cut).mul(received).sum([0, 1, 3]);
    return [ofSignal, null, window ? ofWindow : null, null];
  },
});

interface Frames {
  readonly count: number;
  readonly length: number;
  readonly step: number;
  readonly onesided: boolean;
}

/** The windows of a signal [B, L, 1 or 2]. */
function framesOf(
  context: InferContext,
  signal: Tensor,
  step: Tensor | undefined,
  window?: Tensor,
  length?: Tensor,
): Frames {
  const [size, apart] = [
    constantNumber(context, length, 'the length of a frame') ?? window?.dim(0),
    constantNumber(context, step, 'the step between frames'),
  ];
  if (size === undefined || apart === undefined)
    throw new GlobalPercError('STFT needs a step, and a window or the length of a frame', { code: 'invalid-model' });
  requireShape('the signal', signal, [undefined, undefined, signal.rank === 3 && signal.dim(2) === 2 ? 2 : 1]);
  requireShape('the window', window, [size]);
  requireThat(size > 0 && size <= signal.dim(1), () => `frames of ${size} do not fit a signal of ${signal.dim(1)}`);
  if (window && signal.dim(2) === 2) {
    const message =
      'ONNX Runtime 1.30 computes windows of complex signals wrongly; multiply after cutting frames, and use DFT';
    throw new GlobalPercError(message, { code: 'unsupported-operator' });
  }
  const count = Math.floor((signal.dim(1) - size) / apart) + 1;
  return { count, length: size, step: apart, onesided: context.attributes.int('onesided', 1) === 1 };
}

/** Which element of the signal the i-th of all frames' elements is. */
const placeInSignal = (i: number, { length, step }: Frames): number => Math.floor(i / length) * step + (i % length);
